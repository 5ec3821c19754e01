using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Admission;

/// <summary>The queue in front of the fleet: section <c>Bridge:Queue</c>.</summary>
internal sealed record QueueOptions
{
    public const string Section = "Bridge:Queue";

    /// <summary>How many requests may wait, over all models; one more is answered with 503 at once. 0: none waits.</summary>
    [Range(0, 1_000_000)]
    public int Length { get; init; } = 1024;

    /// <summary>How long one may wait for a slot.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "1.00:00:00")]
    public TimeSpan MaxWait { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How long one may wait while no instance that has its model is healthy.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan MaxWaitWithoutInstance { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The longest wait for a slot, by estimate or in fact, before a fallback model that is free serves the request.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan FallbackAfter { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>After how long a batch request counts as an interactive one.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan BatchPatience { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How often a client that asks for it (<c>X-Bridge-Progress: 1</c>) is told that its stream is still waited for.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "00:10:00")]
    public TimeSpan ProgressInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>What a token of a prompt counts where tenants share a model (wp; 1 as in the paper).</summary>
    [Range(0.0, 1000.0)]
    public double InputTokenWeight { get; init; } = 1;

    /// <summary>What a token of an answer counts (wq; 2 as in the paper).</summary>
    [Range(0.0, 1000.0)]
    public double OutputTokenWeight { get; init; } = 2;
}

[OptionsValidator]
internal sealed partial class QueueOptionsValidator : IValidateOptions<QueueOptions>;
