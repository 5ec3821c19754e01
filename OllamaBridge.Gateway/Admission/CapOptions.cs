using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Admission;

/// <summary>How much one request may ask for, and what is reserved for one that does not say: section <c>Bridge:Limits</c>. Null for no cap.</summary>
internal sealed record CapOptions
{
    public const string Section = "Bridge:Limits";

    /// <summary>The most tokens of an answer that a request may ask for (<c>num_predict</c>, <c>max_tokens</c> and their like).</summary>
    [Range(1L, long.MaxValue)]
    public long? MaxOutputTokens { get; init; }

    /// <summary>The largest <c>num_ctx</c>, in tokens.</summary>
    [Range(1L, long.MaxValue)]
    public long? MaxContext { get; init; }

    /// <summary>The most images in a request.</summary>
    [Range(0, int.MaxValue)]
    public int? MaxImages { get; init; }

    /// <summary>The longest <c>keep_alive</c>.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "365.00:00:00")]
    public TimeSpan? MaxKeepAlive { get; init; }

    /// <summary>Tokens reserved for an answer whose length the request does not limit.</summary>
    [Range(0L, 1_000_000_000L)]
    public long AssumedOutputTokens { get; init; } = 1024;
}

[OptionsValidator]
internal sealed partial class CapOptionsValidator : IValidateOptions<CapOptions>;
