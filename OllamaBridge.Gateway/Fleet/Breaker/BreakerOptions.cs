using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>The circuit breaker of each model on each instance: section <c>Bridge:Breaker</c>.</summary>
/// <remarks>
/// Named after Polly v8's circuit breaker and Envoy's outlier detection. The defaults are smaller than theirs (Polly: 100 requests in
/// 30 s; Envoy: ejected for 30 s), because a model serves a few requests a minute, not hundreds a second.
/// </remarks>
internal sealed record BreakerOptions
{
    public const string Section = "Bridge:Breaker";

    /// <summary>Failed requests in a row that open the circuit (Envoy's <c>consecutive_5xx</c>).</summary>
    [Range(1, 1000)]
    public int ConsecutiveFailures { get; init; } = 5;

    /// <summary>Timed-out requests in a row that open the circuit. Few suffice, because each request to a frozen runner costs minutes.</summary>
    [Range(1, 1000)]
    public int TimeOuts { get; init; } = 2;

    /// <summary>The share of failed requests within <see cref="Window"/> that opens the circuit.</summary>
    [Range(0.01, 1.0)]
    public double FailureRatio { get; init; } = 0.5;

    /// <summary>Requests that the window must hold before <see cref="FailureRatio"/> applies.</summary>
    [Range(2, FailureWindow.Capacity)]
    public int MinimumRequests { get; init; } = 10;

    /// <summary>The time over which <see cref="FailureRatio"/> is computed; the last 64 requests at most.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "01:00:00")]
    public TimeSpan Window { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The shortest time for which the circuit stays open; doubled for each opening before it has recovered.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "01:00:00")]
    public TimeSpan OpenTime { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>The longest time for which the circuit stays open, plus up to a tenth of jitter.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "1.00:00:00")]
    public TimeSpan MaxOpenTime { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>The back-off after a busy response without <c>Retry-After</c>; doubled for each one in a row.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:10:00")]
    public TimeSpan BusyTime { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>The longest back-off, and the longest <c>Retry-After</c> of an instance that is honored.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "01:00:00")]
    public TimeSpan MaxBusyTime { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>For how long a model that did not fit into an instance's memory is used there only if no other instance can serve it.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "01:00:00")]
    public TimeSpan MemoryTime { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>The share of its usual tokens a second below which a model counts as slow; 0 turns the check off.</summary>
    [Range(0.0, 0.9)]
    public double SlowRatio { get; init; } = 0.25;

    /// <summary>Responses of known speed that are required before a model can count as slow.</summary>
    [Range(1, 10_000)]
    public int SlowAnswers { get; init; } = 10;

    /// <summary>The interval between probe requests to a slow model.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "01:00:00")]
    public TimeSpan SlowProbeInterval { get; init; } = TimeSpan.FromSeconds(30);
}

[OptionsValidator]
internal sealed partial class BreakerOptionsValidator : IValidateOptions<BreakerOptions>;

/// <summary>Checks that no longest time is shorter than the time that grows towards it.</summary>
internal sealed class BreakerTimesValidator : IValidateOptions<BreakerOptions>
{
    public ValidateOptionsResult Validate(string? name, BreakerOptions options)
    {
        var errors = new List<string>();
        if (options.MaxOpenTime < options.OpenTime)
            errors.Add("Bridge:Breaker:MaxOpenTime: must not be less than Bridge:Breaker:OpenTime.");
        if (options.MaxBusyTime < options.BusyTime)
            errors.Add("Bridge:Breaker:MaxBusyTime: must not be less than Bridge:Breaker:BusyTime.");
        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }
}
