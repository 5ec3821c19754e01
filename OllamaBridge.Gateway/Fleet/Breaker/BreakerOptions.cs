using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>When a model on an instance is left alone: section <c>Bridge:Breaker</c>.</summary>
/// <remarks>
/// Named after Polly v8's circuit breaker and Envoy's outlier detection. The numbers are smaller than theirs (Polly: 100 requests in
/// 30 s; Envoy: out for 30 s): a model answers a few requests a minute, not hundreds a second.
/// </remarks>
internal sealed record BreakerOptions
{
    public const string Section = "Bridge:Breaker";

    /// <summary>Failed requests in a row that open it (Envoy's <c>consecutive_5xx</c>).</summary>
    [Range(1, 1000)]
    public int ConsecutiveFailures { get; init; } = 5;

    /// <summary>Requests in a row without an answer in time that open it: a frozen runner costs every one of them minutes.</summary>
    [Range(1, 1000)]
    public int TimeOuts { get; init; } = 2;

    /// <summary>The share of failed requests within <see cref="Window"/> that opens it.</summary>
    [Range(0.01, 1.0)]
    public double FailureRatio { get; init; } = 0.5;

    /// <summary>How many requests the window must hold before the share says anything.</summary>
    [Range(2, FailureWindow.Capacity)]
    public int MinimumRequests { get; init; } = 10;

    /// <summary>How far back the share looks, over the last 64 requests at most.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "01:00:00")]
    public TimeSpan Window { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long it stays open, at least; doubled for each time before it has held again.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "01:00:00")]
    public TimeSpan OpenTime { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>The longest that it stays open, but for a tenth of jitter.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "1.00:00:00")]
    public TimeSpan MaxOpenTime { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How long a model is left alone whose instance says that it is busy and not for how long; doubled for each time in a row.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:10:00")]
    public TimeSpan BusyTime { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>The longest <c>Retry-After</c> of an instance that is honoured, and the longest back-off.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "01:00:00")]
    public TimeSpan MaxBusyTime { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How long a model that didn't fit into an instance's memory is used there only if no other instance can.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "01:00:00")]
    public TimeSpan MemoryTime { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Below this share of its usual tokens a second a model counts as slow; 0 looks at no speed.</summary>
    [Range(0.0, 0.9)]
    public double SlowRatio { get; init; } = 0.25;

    /// <summary>Answers whose speed must be known before any counts as slow.</summary>
    [Range(1, 10_000)]
    public int SlowAnswers { get; init; } = 10;

    /// <summary>Time between two requests that find out whether a slow model has recovered.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "01:00:00")]
    public TimeSpan SlowProbeInterval { get; init; } = TimeSpan.FromSeconds(30);
}

[OptionsValidator]
internal sealed partial class BreakerOptionsValidator : IValidateOptions<BreakerOptions>;

/// <summary>What grows must have room to.</summary>
internal sealed class BreakerTimesValidator : IValidateOptions<BreakerOptions>
{
    public ValidateOptionsResult Validate(string? name, BreakerOptions options)
    {
        var errors = new List<string>();
        if (options.MaxOpenTime < options.OpenTime)
            errors.Add("Bridge:Breaker:MaxOpenTime: is less than Bridge:Breaker:OpenTime.");
        if (options.MaxBusyTime < options.BusyTime)
            errors.Add("Bridge:Breaker:MaxBusyTime: is less than Bridge:Breaker:BusyTime.");
        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }
}
