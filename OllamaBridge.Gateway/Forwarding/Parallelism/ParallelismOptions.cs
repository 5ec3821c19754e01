using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Forwarding.Parallelism;

/// <summary>How the number of requests that an instance runs at once is learned: section <c>Bridge:Parallelism</c>.</summary>
internal sealed record ParallelismOptions
{
    public const string Section = "Bridge:Parallelism";

    /// <summary>Whether the slots of a model are lowered to the requests that its instance was seen to run at once.</summary>
    public bool Learn { get; init; } = true;

    /// <summary>How long a learned limit holds before it is learned again.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan Relearn { get; init; } = TimeSpan.FromMinutes(10);
}

[OptionsValidator]
internal sealed partial class ParallelismOptionsValidator : IValidateOptions<ParallelismOptions>;
