using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Records results of requests: for the model on its instance, and for the instance.</summary>
internal sealed class PlacementOutcomes
{
    // A short response gives an inaccurate speed, and a very short time gives none.
    private const int FewestTokens = 16;
    private static readonly TimeSpan ShortestDecode = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Lately = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan MaxUnknownBusyTime = TimeSpan.FromSeconds(5);
    private readonly IFleet _fleet;
    private readonly Derived<BreakerOptions, BreakerRules> _settings;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly ForwardingMetrics _metrics;
    private readonly PlacementMetrics _placements;
    private readonly ILogger<PlacementOutcomes> _logger;

    public PlacementOutcomes(
        IFleet fleet,
        IOptions<BreakerOptions> options,
        IOptions<HealthOptions> health,
        TimeProvider time,
        Random random,
        ForwardingMetrics metrics,
        PlacementMetrics placements,
        ILogger<PlacementOutcomes> logger)
    {
        _fleet = fleet;
        _settings = new Derived<BreakerOptions, BreakerRules>(options, o => BreakerRules.From(o, health.Value.SlowStart, time));
        _time = time;
        _random = random;
        _metrics = metrics;
        _placements = placements;
        _logger = logger;
        placements.ObservePlacements(() => PlacementReport.All(fleet.Current, time.GetTimestamp()));
    }

    private BreakerRules Rules => _settings.Value;

    public void Answering(InstanceLease lease)
    {
        if (lease.Entry is { Guard: { } guard } entry && guard.Answering(entry, _time.GetTimestamp(), Rules))
            BreakerLog.Closed(_logger, lease.Placement.State.Model.Key, lease.Instance.Name);
    }

    /// <param name="decoding">Without prompt evaluation; zero if unknown.</param>
    public void Succeeded(InstanceLease lease, long tokens, TimeSpan decoding)
    {
        _fleet.ReportSuccess(lease.Instance);
        if (lease.Entry is not { Guard: { } guard } entry)
            return;
        var speed = tokens >= FewestTokens && decoding >= ShortestDecode ? tokens / decoding.TotalSeconds : 0;
        var (model, instance) = (lease.Placement.State.Model.Key, lease.Instance.Name);
        switch (guard.Succeeded(entry, speed, _time.GetTimestamp(), Rules))
        {
            case GuardChange.Closed:
                BreakerLog.Closed(_logger, model, instance);
                break;
            case GuardChange.Slowed:
                BreakerLog.Slowed(_logger, model, instance, speed, guard.UsualSpeed);
                break;
            case GuardChange.Recovered:
                BreakerLog.Recovered(_logger, model, instance, speed);
                break;
        }
    }

    public static void Prefilled(ForwardAttempt attempt)
    {
        var (call, state) = (attempt.Call, attempt.Lease.Placement.State);
        if (call.Operation.Kind != OperationKind.Inference || attempt.Plan is not null || call.Target.IsUnload)
            return;
        state.LastContext = call.Facts.Demands.Context;
        // The size of an image does not indicate its number of tokens.
        if (call.Facts.Demands.Images == 0 && call.Body is { } body)
            state.Model.Prefill.Add(call.Result.InputTokens, body.Length, attempt.PrefillTime());
    }

    /// <param name="busyFor">A busy instance's Retry-After, zero if it sent none; null if it is not busy.</param>
    public void Judged(InstanceLease lease, InstanceFailure failure, Fault fault, TimeSpan? busyFor = null)
    {
        _metrics.RecordFault(fault, failure);
        if (_logger.IsEnabled(LogLevel.Debug))
            FaultLog.Judged(_logger, failure, lease.Instance.Name, fault);
        if (busyFor is { } asked)
            JudgedBusy(lease, fault, asked);
        else if (failure == InstanceFailure.StaleCatalog)
            _fleet.ReportFailure(lease.Instance, failure);
        else if (fault == Fault.Instance)
            Failed(lease, failure);
    }

    public void KnownToFail(string operation, string model) => FaultLog.KnownToFail(_logger, operation, model, RepeatedFailures.Lifetime.TotalSeconds);

    /// <summary>Pauses the instance, for its Retry-After if another one serves the request; else briefly: the limit may apply to this request only.</summary>
    private void JudgedBusy(InstanceLease lease, Fault fault, TimeSpan asked)
    {
        if (fault == Fault.Instance)
            Busy(lease, asked);
        else if (fault == Fault.Unknown && (HasAnsweredLately(lease) ? Rules.Options.BusyTime : MaxUnknownBusyTime) is var most)
            Busy(lease, asked < most ? asked : most);
    }

    public bool HasAnsweredLately(InstanceLease lease) =>
        lease.Placement.State.LastAnswered is not 0 and var last && _time.GetElapsedTime(last) < Lately;

    private void Failed(InstanceLease lease, InstanceFailure failure)
    {
        if (failure == InstanceFailure.OutOfMemory)
        {
            MarkMemory(lease);
            return;
        }

        var model = lease.Entry.Guard is null ? null : lease.Placement.State.Model;
        _fleet.ReportFailure(lease.Instance, failure, model);
        // An unreachable server concerns the whole instance. A health probe detects its return.
        if (lease.Entry is not { Guard: { } guard } entry || failure is InstanceFailure.Refused
            || !guard.Failed(entry, failure, _time.GetTimestamp(), Rules, _random.NextDouble()))
            return;
        _placements.RecordOpened(model!.Key, lease.Instance.Name, failure);
        BreakerLog.Opened(_logger, model.Key, lease.Instance.Name, failure, Seconds(guard.Left(_time.GetTimestamp())));
    }

    /// <param name="asked">The instance's Retry-After; zero if it sent none.</param>
    public void Busy(InstanceLease lease, TimeSpan asked)
    {
        if (lease.Entry.Guard is not { } guard)
            return;
        // Bound the duration first: a very long one overflows ticks.
        var bounded = asked < Rules.Options.MaxBusyTime ? asked : Rules.Options.MaxBusyTime;
        guard.Busy(BreakerRules.Ticks(bounded, _time), _time.GetTimestamp(), Rules, _random.NextDouble());
        BreakerLog.Busy(_logger, lease.Placement.State.Model.Key, lease.Instance.Name, Seconds(guard.Left(_time.GetTimestamp())));
    }

    private void MarkMemory(InstanceLease lease)
    {
        if (lease.Entry.Guard is not { } guard)
            return;
        guard.SetShortOfMemory(_time.GetTimestamp(), Rules.MemoryTime);
        FaultLog.ShortOfMemory(_logger, lease.Placement.State.Model.Key, lease.Instance.Name, Rules.Options.MemoryTime.TotalSeconds);
    }

    private double Seconds(long ticks) => Math.Round(ticks / (double)_time.TimestampFrequency, 3);
}
