using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Forwarding.Hedging;

/// <summary>When a request is sent to a second instance because the first lets it wait: section <c>Bridge:Hedging</c>.</summary>
internal sealed record HedgingOptions
{
    public const string Section = "Bridge:Hedging";

    /// <summary>Whether it is done at all.</summary>
    public bool Enabled { get; init; }

    /// <summary>A first token is late that comes later than this part of the model's recent ones.</summary>
    [Range(0.5, 0.999)]
    public double Percentile { get; init; } = 0.95;

    /// <summary>The most that is sent a second time, as a share of the requests that could be.</summary>
    [Range(0.0, 1.0)]
    public double MaxShare { get; init; } = 0.05;

    /// <summary>Second sendings that may be saved up while nothing is late.</summary>
    [Range(1, 10_000)]
    public int Burst { get; init; } = 10;

    /// <summary>How many first tokens of a model must have been seen before one can be late.</summary>
    [Range(1, FirstTokenTimes.Remembered)]
    public int MinSamples { get; init; } = 20;

    /// <summary>A wait that is never too long.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:10:00")]
    public TimeSpan MinWait { get; init; } = TimeSpan.FromMilliseconds(100);
}

[OptionsValidator]
internal sealed partial class HedgingOptionsValidator : IValidateOptions<HedgingOptions>;
