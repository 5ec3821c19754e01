using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Options of forwarding: section <c>Bridge:Forwarding</c>.</summary>
/// <remarks>An instance sends no header before its first token: waiting, loading and prompt evaluation are one silence.</remarks>
internal sealed record ForwardingOptions
{
    public const string Section = "Bridge:Forwarding";

    /// <summary>How long a connection may take to open.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:05:00")]
    [RestartRequired]
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>The longest silence of a stream if the model is in memory, even if the instance passes liveness checks (<c>Bridge:Liveness</c>).</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "1.00:00:00")]
    public TimeSpan WarmFirstByte { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>The longest silence of a stream if the model is not in memory.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "1.00:00:00")]
    public TimeSpan ColdFirstByte { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>The longest silence of a request that runs no model, such as <c>/api/show</c>.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "1.00:00:00")]
    public TimeSpan Lookup { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>The longest silence of a response in one piece: its whole generation.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "1.00:00:00")]
    public TimeSpan WholeAnswer { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>The longest silence of a pull, push, create or upload.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "1.00:00:00")]
    public TimeSpan Management { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>The most attempts of one request, the first included.</summary>
    [Range(1, 16)]
    public int MaxAttempts { get; init; } = 3;

    /// <summary>The most retries that the budget accumulates.</summary>
    [Range(0, 1_000_000)]
    public int RetryBurst { get; init; } = 500;

    /// <summary>Retries that each request adds to the budget.</summary>
    [Range(0.0, 10.0)]
    public double RetryRatio { get; init; } = 0.2;

    /// <summary>The largest response in bytes that is held back until it is complete, so that the request can be retried if it breaks off.</summary>
    [Range(0, 1024 * 1024 * 1024)]
    public int MaxHeldAnswer { get; init; } = 8 * 1024 * 1024;

    /// <summary>Whether a client's <c>Authorization</c> is passed on, for instances that authenticate clients themselves.</summary>
    public bool PassAuthorization { get; init; }
}

[OptionsValidator]
internal sealed partial class ForwardingOptionsValidator : IValidateOptions<ForwardingOptions>;
