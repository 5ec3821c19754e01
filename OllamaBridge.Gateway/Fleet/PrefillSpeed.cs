using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Estimates a model's prompt evaluation speed from responses of all instances. Thread-safe; a lost sample is harmless.</summary>
/// <remarks>
/// A server that has the beginning of a prompt in its cache evaluates only the rest and seems faster than it is. The estimate therefore
/// follows slower samples quickly and faster ones slowly: it bounds the duration of a prompt.
/// </remarks>
internal sealed class PrefillSpeed
{
    /// <summary>The minimum length in tokens of a prompt that counts; shorter prompts do not show the speed.</summary>
    public const int FewestTokens = 64;

    private const double SlowerWeight = 0.5;
    private const double FasterWeight = 0.1;
    private const double LengthWeight = 0.2;
    private static readonly TimeSpan Longest = TimeSpan.FromDays(1);
    private double _secondsPerToken = double.NaN;
    private double _bytesPerToken = double.NaN;

    /// <summary><see cref="double.NaN"/> while unknown.</summary>
    public double TokensPerSecond => 1 / Volatile.Read(ref _secondsPerToken);

    /// <summary>Seconds for each byte of a request's body; 0 while unknown.</summary>
    public double SecondsPerByte =>
        Volatile.Read(ref _secondsPerToken) / Volatile.Read(ref _bytesPerToken) is var seconds && double.IsNaN(seconds) ? 0 : seconds;

    /// <summary>Adds one prompt.</summary>
    /// <param name="tokens">Its length in tokens.</param>
    /// <param name="bytes">The length of the request's body without images, in bytes.</param>
    /// <param name="took">The duration of its evaluation.</param>
    public void Add(long tokens, long bytes, TimeSpan took)
    {
        if (tokens < FewestTokens || bytes <= 0 || took <= TimeSpan.Zero)
            return;
        var sample = took.TotalSeconds / tokens;
        var known = Volatile.Read(ref _secondsPerToken);
        Volatile.Write(ref _bytesPerToken, Ewma.Next(Volatile.Read(ref _bytesPerToken), bytes / (double)tokens, LengthWeight));
        Volatile.Write(ref _secondsPerToken, Ewma.Next(known, sample, sample > known ? SlowerWeight : FasterWeight));
    }

    /// <summary>The expected duration of a prompt's evaluation.</summary>
    /// <param name="bytes">The length of the request's body without images, in bytes.</param>
    /// <returns>Null while the speed is unknown.</returns>
    public TimeSpan? Expected(long bytes) =>
        SecondsPerByte is > 0 and var perByte ? TimeSpan.FromSeconds(Math.Min(perByte * bytes, Longest.TotalSeconds)) : null;
}
