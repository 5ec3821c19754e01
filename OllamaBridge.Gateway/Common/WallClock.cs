namespace OllamaBridge.Gateway.Common;

/// <summary>
/// The machine's clock, for what a person or another program reads: time stamps, HTTP dates, calendar days, expiry dates of keys. It may jump
/// in both directions, so no deadline, interval or timeout in this process is computed from it: those use <see cref="Moment"/> or
/// <see cref="TimeProvider.GetTimestamp"/>. <c>BannedSymbols.txt</c> bans every other way to read it.
/// </summary>
internal static class WallClock
{
    /// <summary>The date and time that the machine's clock shows, in UTC.</summary>
    public static DateTimeOffset GetWallClock(this TimeProvider time) =>
#pragma warning disable RS0030 // The one permitted use.
        time.GetUtcNow();
#pragma warning restore RS0030
}
