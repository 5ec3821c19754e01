using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Forwarding.Liveness;

/// <summary>How a silent instance is told apart from a slow one: section <c>Bridge:Liveness</c>.</summary>
internal sealed record LivenessOptions
{
    public const string Section = "Bridge:Liveness";

    /// <summary>Whether silent instances are checked at all. Without it only the time-outs of <c>Bridge:Forwarding</c> bound a first byte.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>Silence after which an instance is checked.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "00:10:00")]
    public TimeSpan CheckAfter { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>How long an instance may take to answer a check before it counts as unresponsive.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "00:10:00")]
    public TimeSpan CheckTimeout { get; init; } = TimeSpan.FromSeconds(8);

    /// <summary>Time between an answered check and the next.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "00:10:00")]
    public TimeSpan CheckInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Silence after which a request ends with an error if its instance is unresponsive and no other can serve it.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "1.00:00:00")]
    public TimeSpan LastInstanceTimeout { get; init; } = TimeSpan.FromSeconds(40);

    /// <summary>The shortest time that a model may take to load before the load counts as hung.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "1.00:00:00")]
    public TimeSpan MinLoadTimeout { get; init; } = TimeSpan.FromSeconds(35);

    /// <summary>A load counts as hung after this many times the learned load time.</summary>
    [Range(1.0, 1000.0)]
    public double LoadTimeFactor { get; init; } = 3;

    /// <summary>Bytes per second that are assumed for loads while no load time has been learned.</summary>
    [Range(1L, 1L << 50)]
    public long AssumedLoadRate { get; init; } = 400_000_000;
}

[OptionsValidator]
internal sealed partial class LivenessOptionsValidator : IValidateOptions<LivenessOptions>;
