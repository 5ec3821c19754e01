using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Quotas;

/// <summary>Caps for a single request, and the tokens reserved if it sets no limit: section <c>Bridge:Limits</c>. Null means no cap.</summary>
internal sealed record CapOptions
{
    public const string Section = "Bridge:Limits";

    /// <summary>The most output tokens that a request may ask for (<c>num_predict</c>, <c>max_tokens</c> and similar fields).</summary>
    [Range(1L, long.MaxValue)]
    public long? MaxOutputTokens { get; init; }

    /// <summary>The largest <c>num_ctx</c>, in tokens.</summary>
    [Range(1L, long.MaxValue)]
    public long? MaxContext { get; init; }

    [Range(0, int.MaxValue)]
    public int? MaxImages { get; init; }

    [Range(typeof(TimeSpan), "00:00:00", "365.00:00:00")]
    public TimeSpan? MaxKeepAlive { get; init; }

    /// <summary>Tokens reserved for a response if the request does not limit its length.</summary>
    [Range(0L, 1_000_000_000L)]
    public long AssumedOutputTokens { get; init; } = 1024;
}

[OptionsValidator]
internal sealed partial class CapOptionsValidator : IValidateOptions<CapOptions>;
