using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Resumption.Liveness;

/// <summary>Options for distinguishing silent instances from slow ones: section <c>Bridge:Liveness</c>.</summary>
internal sealed record LivenessOptions
{
    public const string Section = "Bridge:Liveness";

    /// <summary>Whether silent instances are checked. If not, only the time-outs of <c>Bridge:Forwarding</c> bound the time to the first byte.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>Silence after which an instance is checked.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "00:10:00")]
    public TimeSpan CheckAfter { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>How long a response to a check may take before the instance counts as unresponsive.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "00:10:00")]
    public TimeSpan CheckTimeout { get; init; } = TimeSpan.FromSeconds(8);

    /// <summary>Time between the response to a check and the next check.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "00:10:00")]
    public TimeSpan CheckInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Silence after which a request ends with an error if its instance is unresponsive and no other instance can serve it.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "1.00:00:00")]
    public TimeSpan LastInstanceTimeout { get; init; } = TimeSpan.FromSeconds(40);

    /// <summary>The shortest loading time that counts as hung.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "1.00:00:00")]
    public TimeSpan MinLoadTimeout { get; init; } = TimeSpan.FromSeconds(35);

    /// <summary>A load counts as hung after this multiple of the learned load time.</summary>
    [Range(1.0, 1000.0)]
    public double LoadTimeFactor { get; init; } = 3;

    /// <summary>The assumed loading rate in bytes per second before a load time has been learned.</summary>
    [Range(1L, 1L << 50)]
    public long AssumedLoadRate { get; init; } = 400_000_000;
}

[OptionsValidator]
internal sealed partial class LivenessOptionsValidator : IValidateOptions<LivenessOptions>;
