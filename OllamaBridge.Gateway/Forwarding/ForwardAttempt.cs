using System.Diagnostics;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Parallelism;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>One sending of a request to one instance. A feature of the HTTP context.</summary>
internal sealed class ForwardAttempt(
    ForwardedCall call, FailedAttempts faults, InstanceLease lease, RetryBudget? budget, TimeProvider time, CancellationToken gone)
    : StreamedAttempt(call, lease, time, gone)
{
    private bool? _retry;

    public FailedAttempts Faults { get; } = faults;

    public AttemptResult Result { get; } = new();

    /// <summary>Requests for the model on the instance when this one was sent, this one included.</summary>
    public int InFlight { get; } = lease.Placement.State.Active;

    public Activity? Span { get; init; }

    public HedgeRace? Race { get; init; }

    public ConnectionUse? Connection { get; set; }

    /// <summary>Whether the other attempt of a hedged request has a response, so that this one is not needed.</summary>
    public bool IsOvertaken { get; private set; }

    /// <summary>Why the attempt was cancelled without a failure of its instance; null if it was not.</summary>
    public InstanceFailure? Withdrawn => IsOvertaken ? InstanceFailure.Overtaken : Cause switch
    {
        Interruption.Drained => InstanceFailure.Drained,
        Interruption.Stopped => InstanceFailure.Stopped,
        _ => null,
    };

    public override bool HasFailed => Result.Failure is not null;

    public override bool CanRetry => budget is not null || Plan is not null;

    /// <summary>Takes one retry out of the budget at the first call.</summary>
    public bool TakeRetry() => _retry ??= budget is not null && budget.TryWithdraw();

    /// <summary>Ends this attempt because the other attempt of a hedged request has a response. The client receives nothing from this one.</summary>
    public void Overtake()
    {
        IsOvertaken = true;
        CancelSending();
    }

    /// <summary>As the instance reported it, else from the first to the last bytes of a stream, else zero.</summary>
    public TimeSpan DecodeTime()
    {
        var reported = Watcher?.DecodeNanoseconds is > 0 and var streamed ? streamed
            : Call.Response.Transcript is { End.Duration: > 0 } transcript ? transcript.End.Duration
            : Result.DecodeNanoseconds;
        return reported > 0 ? TimeSpan.FromMicroseconds(reported / 1000.0)
            : Watcher is not null && Call.Result.AnsweredAt is { } answered ? Time.GetElapsedTime(answered)
            : Timeline.LastByteAt > Timeline.FirstByteAt ? Time.GetElapsedTime(Timeline.FirstByteAt, Timeline.LastByteAt)
            : TimeSpan.Zero;
    }

    /// <summary>As the instance reported it, else the time to the first byte of a stream that had the model to itself, else zero.</summary>
    public TimeSpan PrefillTime()
    {
        var reported = Watcher?.PrefillNanoseconds is > 0 and var streamed ? streamed
            : Call.Response.Transcript is { End.PromptDuration: > 0 } transcript ? transcript.End.PromptDuration
            : Result.PrefillNanoseconds;
        return reported > 0 ? TimeSpan.FromMicroseconds(reported / 1000.0)
            : Lease.WasLoaded && InFlight == 1 && Timeline.FirstByteAt > Timeline.SentAt && IsStream ? Time.GetElapsedTime(Timeline.SentAt, Timeline.FirstByteAt)
            : TimeSpan.Zero;
    }

    public OverlapSample? Overlap()
    {
        var end = IsStream ? Timeline.LastByteAt : Time.GetTimestamp();
        var start = IsStream ? Timeline.FirstByteAt
            : Result.DecodeNanoseconds > 0 ? end - (long)(Result.DecodeNanoseconds / 1e9 * Time.TimestampFrequency)
            : 0;
        return HasBegun && start > 0 ? new OverlapSample(Timeline.SentAt, Math.Max(Timeline.SentAt, start), end, InFlight) : null;
    }

    // Without another attempt, waiting is better, unless the bridge stops. A drain is no failure and costs no retry.
    protected override bool MayGiveUp(Interruption cause) => cause switch
    {
        Interruption.Stopped => true,
        Interruption.Drained => CanRetry,
        _ => TakeRetry(),
    };

    protected override void OnGivenUp(Interruption cause)
    {
        if (cause is Interruption.Drained or Interruption.Stopped)
            _retry = cause == Interruption.Drained;
    }

    private bool IsStream => Watcher is not null || Timeline.Messages > 1;
}
