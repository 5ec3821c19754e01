namespace OllamaBridge.Gateway.Common;

/// <summary>
/// The machine's clock, for values that people or other programs read: time stamps, HTTP dates, calendar days, expiry dates of keys. It may jump
/// in both directions, so deadlines, intervals and timeouts in this process use <see cref="Moment"/> or
/// <see cref="TimeProvider.GetTimestamp"/> instead. <c>BannedSymbols.txt</c> bans every other way to read it.
/// </summary>
internal static class WallClock
{
    /// <summary>The machine's date and time, in UTC.</summary>
    public static DateTimeOffset GetWallClock(this TimeProvider time) =>
#pragma warning disable RS0030 // The one permitted use.
        time.GetUtcNow();
#pragma warning restore RS0030
}
