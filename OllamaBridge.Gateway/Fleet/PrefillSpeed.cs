using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Estimates a model's prompt evaluation speed from responses of all instances. Thread-safe; a lost sample is harmless.</summary>
/// <remarks>Cached prompts seem faster, so the estimate follows slower samples quickly and faster ones slowly.</remarks>
internal sealed class PrefillSpeed
{
    /// <summary>Shorter prompts, in tokens, do not show the speed.</summary>
    public const int FewestTokens = 64;

    private const double SlowerWeight = 0.5;
    private const double FasterWeight = 0.1;
    private const double LengthWeight = 0.2;
    private static readonly TimeSpan Longest = TimeSpan.FromDays(1);
    private double _secondsPerToken = double.NaN;
    private double _bytesPerToken = double.NaN;

    public double TokensPerSecond => 1 / Volatile.Read(ref _secondsPerToken);

    /// <summary>Seconds for each byte of a request's body; 0 while unknown.</summary>
    public double SecondsPerByte =>
        Volatile.Read(ref _secondsPerToken) / Volatile.Read(ref _bytesPerToken) is var seconds && double.IsNaN(seconds) ? 0 : seconds;

    /// <param name="bytes">The length of the request's body without images.</param>
    public void Add(long tokens, long bytes, TimeSpan took)
    {
        if (tokens < FewestTokens || bytes <= 0 || took <= TimeSpan.Zero)
            return;
        var sample = took.TotalSeconds / tokens;
        var known = Volatile.Read(ref _secondsPerToken);
        Volatile.Write(ref _bytesPerToken, Ewma.Next(Volatile.Read(ref _bytesPerToken), bytes / (double)tokens, LengthWeight));
        Volatile.Write(ref _secondsPerToken, Ewma.Next(known, sample, sample > known ? SlowerWeight : FasterWeight));
    }

    /// <returns>Null while the speed is unknown.</returns>
    public TimeSpan? Expected(long bytes) =>
        SecondsPerByte is > 0 and var perByte ? TimeSpan.FromSeconds(Math.Min(perByte * bytes, Longest.TotalSeconds)) : null;
}
