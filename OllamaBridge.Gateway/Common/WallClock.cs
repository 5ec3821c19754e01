namespace OllamaBridge.Gateway.Common;

/// <summary>The machine's clock, for values that people or other programs read. It may jump, so deadlines and intervals use <see cref="Moment"/> instead.</summary>
internal static class WallClock
{
    public static DateTimeOffset GetWallClock(this TimeProvider time) =>
#pragma warning disable RS0030 // The one permitted use.
        time.GetUtcNow();
#pragma warning restore RS0030
}
