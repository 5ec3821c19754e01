using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>How requests are sent on: section <c>Bridge:Forwarding</c>.</summary>
/// <remarks>An instance sends no header before its first token, so waiting, loading and reading the prompt are all one silence.</remarks>
internal sealed record ForwardingOptions
{
    public const string Section = "Bridge:Forwarding";

    /// <summary>How long a connection may take to open.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:05:00")]
    [RestartRequired]
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>The longest silence of a stream, with the model in memory, even of an instance that answers liveness checks (<c>Bridge:Liveness</c>).</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "1.00:00:00")]
    public TimeSpan WarmFirstByte { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>The same with the model still on disk.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "1.00:00:00")]
    public TimeSpan ColdFirstByte { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>The longest silence of a request that runs no model, such as <c>/api/show</c>.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "1.00:00:00")]
    public TimeSpan Lookup { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Silence allowed for an answer that comes in one piece: the whole of its generation.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "1.00:00:00")]
    public TimeSpan WholeAnswer { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>Silence allowed for a pull, push, create or upload.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "1.00:00:00")]
    public TimeSpan Management { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>How often one request may be sent, the first time included.</summary>
    [Range(1, 16)]
    public int MaxAttempts { get; init; } = 3;

    /// <summary>Retries that may be saved up.</summary>
    [Range(0, 1_000_000)]
    public int RetryBurst { get; init; } = 500;

    /// <summary>Retries that each request adds to the savings.</summary>
    [Range(0.0, 10.0)]
    public double RetryRatio { get; init; } = 0.2;

    /// <summary>The largest answer that is held back until it is whole, so that one cut on its way can be had elsewhere, in bytes.</summary>
    [Range(0, 1024 * 1024 * 1024)]
    public int MaxHeldAnswer { get; init; } = 8 * 1024 * 1024;

    /// <summary>Whether a client's <c>Authorization</c> is passed on, for instances that stand behind a guard of their own.</summary>
    public bool PassAuthorization { get; init; }
}

[OptionsValidator]
internal sealed partial class ForwardingOptionsValidator : IValidateOptions<ForwardingOptions>;
