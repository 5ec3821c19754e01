using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Options for resuming streams whose instance fails: section <c>Bridge:Continuation</c>.</summary>
internal sealed record ResumptionOptions
{
    public const string Section = "Bridge:Continuation";

    /// <summary>The request header that disables resumption with the value <c>off</c>: the client gets its stream from one instance, or an error.</summary>
    public const string Header = "X-Bridge-Continuation";

    public const string Off = "off";

    public static bool IsUnwanted(IHeaderDictionary headers) =>
        headers.TryGetValue(Header, out var wish) && wish.ToString().Trim().Equals(Off, StringComparison.OrdinalIgnoreCase);

    /// <summary>
    /// Whether streams are resumed. If not, streams are passed on without reading their messages, and one that breaks off ends with an error.
    /// </summary>
    public bool Enabled { get; init; } = true;

    /// <summary>The most resumptions of one response.</summary>
    [Range(1, 100)]
    public int MaxContinuations { get; init; } = 10;

    /// <summary>The most text of one response that is kept, in bytes. A response with more cannot be resumed.</summary>
    [Range(0, 256 * 1024 * 1024)]
    public int MaxKept { get; init; } = 1024 * 1024;

    /// <summary>How long an instance may take to render a prompt.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:10:00")]
    public TimeSpan RenderTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The longest silence within a stream that is never a stall.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "01:00:00")]
    public TimeSpan MinStall { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Above <see cref="MinStall"/>, silence of this multiple of the recent time between two tokens is a stall.</summary>
    [Range(2.0, 1e6)]
    public double StallFactor { get; init; } = 30;

    /// <summary>The longest silence before the first token that is never late, if the model is in memory and another instance is available.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "01:00:00")]
    public TimeSpan MinLateFirstToken { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Above <see cref="MinLateFirstToken"/>, silence of this multiple of the recent time to the first token is late.</summary>
    [Range(2.0, 1e6)]
    public double LateFactor { get; init; } = 10;

    /// <summary>How long before the deadline of a drain its running requests begin to be moved, as far as other instances have free slots.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan DrainLead { get; init; } = TimeSpan.FromSeconds(2);
}

[OptionsValidator]
internal sealed partial class ResumptionOptionsValidator : IValidateOptions<ResumptionOptions>;
