using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Queueing;

/// <summary>The queue in front of the fleet: section <c>Bridge:Queue</c>.</summary>
internal sealed record QueueOptions
{
    public const string Section = "Bridge:Queue";

    /// <summary>How many requests may wait, over all models. Further ones get 503 at once. 0 disables waiting.</summary>
    [Range(0, 1_000_000)]
    public int Length { get; init; } = 1024;

    /// <summary>How long a request may wait for a slot.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "1.00:00:00")]
    public TimeSpan MaxWait { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How long a request may wait while no instance that has its model is healthy.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan MaxWaitWithoutInstance { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The longest wait for a slot, estimated or actual, before an available fallback model serves the request.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan FallbackAfter { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long a batch request waits before it counts as interactive.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan BatchPatience { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How often a waiting stream whose client sent <c>X-Bridge-Progress: 1</c> gets a progress message.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "00:10:00")]
    public TimeSpan ProgressInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The weight of a prompt token in the tenants' counters (wp; 1 as in the paper, see <see cref="Quotas.VirtualCounters"/>).</summary>
    [Range(0.0, 1000.0)]
    public double InputTokenWeight { get; init; } = 1;

    /// <summary>The weight of a response token in the tenants' counters (wq; 2 as in the paper).</summary>
    [Range(0.0, 1000.0)]
    public double OutputTokenWeight { get; init; } = 2;
}

[OptionsValidator]
internal sealed partial class QueueOptionsValidator : IValidateOptions<QueueOptions>;
