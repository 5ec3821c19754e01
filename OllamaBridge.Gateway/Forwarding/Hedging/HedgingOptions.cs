using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Forwarding.Hedging;

/// <summary>Second attempts for requests whose instance is slow to respond: section <c>Bridge:Hedging</c>.</summary>
internal sealed record HedgingOptions
{
    public const string Section = "Bridge:Hedging";

    public bool Enabled { get; init; }

    /// <summary>The percentile (0 to 1) of the model's recent times to the first token beyond which a request is late.</summary>
    [Range(0.5, 0.999)]
    public double Percentile { get; init; } = 0.95;

    /// <summary>The largest share of the requests that can be hedged for which a second attempt is made.</summary>
    [Range(0.0, 1.0)]
    public double MaxShare { get; init; } = 0.05;

    /// <summary>Second attempts that can be saved up while no request is late.</summary>
    [Range(1, 10_000)]
    public int Burst { get; init; } = 10;

    /// <summary>First tokens of a model that must be known before a request can be late.</summary>
    [Range(1, FirstTokenTimes.Remembered)]
    public int MinSamples { get; init; } = 20;

    /// <summary>The shortest wait before a second attempt.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:10:00")]
    public TimeSpan MinWait { get; init; } = TimeSpan.FromMilliseconds(100);
}

[OptionsValidator]
internal sealed partial class HedgingOptionsValidator : IValidateOptions<HedgingOptions>;
