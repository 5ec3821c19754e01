using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Forwarding.Parallelism;

/// <summary>Options for learning how many requests an instance runs at once: section <c>Bridge:Parallelism</c>.</summary>
internal sealed record ParallelismOptions
{
    public const string Section = "Bridge:Parallelism";

    /// <summary>Whether the slots of a model are lowered to the observed number of concurrent requests.</summary>
    public bool Learn { get; init; } = true;

    /// <summary>How long a learned limit is valid.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan Relearn { get; init; } = TimeSpan.FromMinutes(10);
}

[OptionsValidator]
internal sealed partial class ParallelismOptionsValidator : IValidateOptions<ParallelismOptions>;
