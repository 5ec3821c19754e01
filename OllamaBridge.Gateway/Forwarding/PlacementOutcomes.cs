using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Settings;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Takes in how requests ended: for the model on its instance, and for the instance as a whole.</summary>
internal sealed class PlacementOutcomes
{
    // A short answer says little of a speed, and one that took no time to speak of says nothing.
    private const int FewestTokens = 16;
    private static readonly TimeSpan ShortestDecode = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Lately = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan MaxUnknownBusyTime = TimeSpan.FromSeconds(5);
    private readonly IFleet _fleet;
    private readonly Derived<BreakerOptions, BreakerRules> _settings;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly BridgeMetrics _metrics;
    private readonly ILogger<PlacementOutcomes> _logger;

    public PlacementOutcomes(
        IFleet fleet,
        IOptions<BreakerOptions> options,
        IOptions<HealthOptions> health,
        TimeProvider time,
        Random random,
        BridgeMetrics metrics,
        ILogger<PlacementOutcomes> logger)
    {
        _fleet = fleet;
        _settings = new Derived<BreakerOptions, BreakerRules>(options, o => BreakerRules.From(o, health.Value.SlowStart, time));
        _time = time;
        _random = random;
        _metrics = metrics;
        _logger = logger;
        metrics.ObservePlacements(() => PlacementReport.All(fleet.Current, time.GetTimestamp()));
    }

    private BreakerRules Rules => _settings.Value;

    /// <summary>An instance begins to answer a request as it should.</summary>
    public void Answering(InstanceLease lease)
    {
        if (lease.Entry is { Guard: { } guard } entry && guard.Answering(entry, _time.GetTimestamp(), Rules))
            BreakerLog.Closed(_logger, lease.Placement.State.Model.Key, lease.Instance.Name);
    }

    /// <summary>An instance answered a request as it should.</summary>
    /// <param name="lease">By what right it was sent there.</param>
    /// <param name="tokens">Tokens of the answer.</param>
    /// <param name="decoding">How long they took, without the prompt's; zero where unknown.</param>
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

    /// <summary>Learns from an attempt that succeeded how fast its model evaluates prompts, and with which context it is loaded there.</summary>
    public static void Prefilled(ForwardAttempt attempt)
    {
        var (call, state) = (attempt.Call, attempt.Lease.Placement.State);
        if (call.Operation.Kind != OperationKind.Inference || attempt.Plan is not null || call.IsUnload)
            return;
        state.LastContext = call.Facts.Demands.Context;
        // Images take tokens that their bytes say nothing about.
        if (call.Facts.Demands.Images == 0 && call.Body is { } body)
            state.Model.Prefill.Add(call.InputTokens, body.Length, attempt.PrefillTime());
    }

    /// <summary>A failed attempt has been judged.</summary>
    /// <param name="lease">By what right it was sent.</param>
    /// <param name="failure">How it failed.</param>
    /// <param name="fault">Whose fault that is. Only an instance's fault counts against it.</param>
    /// <param name="busyFor">If the instance said that it is busy: for how long, zero if it didn't say; else null.</param>
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

    /// <summary>A request failed alike on two instances.</summary>
    public void KnownToFail(string operation, string model) => FaultLog.KnownToFail(_logger, operation, model, RepeatedFailures.Lifetime.TotalSeconds);

    /// <summary>
    /// An instance said that it is busy. If another one answers the request, this one is left alone as long as it asks. If there is no other
    /// to compare with, it is left alone briefly, and very briefly if it answered others a moment ago: the limit may be the request's own.
    /// </summary>
    private void JudgedBusy(InstanceLease lease, Fault fault, TimeSpan asked)
    {
        if (fault == Fault.Instance)
            Busy(lease, asked);
        else if (fault == Fault.Unknown && (HasAnsweredLately(lease) ? Rules.Options.BusyTime : MaxUnknownBusyTime) is var most)
            Busy(lease, asked < most ? asked : most);
    }

    /// <summary>Whether an instance has answered a request for the model in the last 30 s.</summary>
    public bool HasAnsweredLately(InstanceLease lease) =>
        lease.Placement.State.LastAnswered is not 0 and var last && _time.GetElapsedTime(last) < Lately;

    /// <summary>An instance failed a request by its own fault.</summary>
    /// <param name="lease">By what right it was sent there.</param>
    /// <param name="failure">In what way.</param>
    private void Failed(InstanceLease lease, InstanceFailure failure)
    {
        if (failure == InstanceFailure.OutOfMemory)
        {
            MarkMemory(lease);
            return;
        }

        var model = lease.Entry.Guard is null ? null : lease.Placement.State.Model;
        _fleet.ReportFailure(lease.Instance, failure, model);
        // An unreachable server concerns the instance: a health check tells when that changes.
        if (lease.Entry is not { Guard: { } guard } entry || failure is InstanceFailure.Refused
            || !guard.Failed(entry, failure, _time.GetTimestamp(), Rules, _random.NextDouble()))
            return;
        _metrics.RecordOpened(model!.Key, lease.Instance.Name, failure);
        BreakerLog.Opened(_logger, model.Key, lease.Instance.Name, failure, Seconds(guard.Left(_time.GetTimestamp())));
    }

    /// <summary>An instance said that it is busy, which is no failure: it is left alone for a while.</summary>
    /// <param name="lease">By what right the request was sent there.</param>
    /// <param name="asked">For how long it asks to be left alone; zero where it does not say.</param>
    public void Busy(InstanceLease lease, TimeSpan asked)
    {
        if (lease.Entry.Guard is not { } guard)
            return;
        // What is longer than any bound is cut here, before it is too much for ticks.
        var bounded = asked < Rules.Options.MaxBusyTime ? asked : Rules.Options.MaxBusyTime;
        guard.Busy(BreakerRules.Ticks(bounded, _time), _time.GetTimestamp(), Rules, _random.NextDouble());
        BreakerLog.Busy(_logger, lease.Placement.State.Model.Key, lease.Instance.Name, Seconds(guard.Left(_time.GetTimestamp())));
    }

    /// <summary>A model doesn't fit into an instance's memory although another instance answers: it is used there only if no other can.</summary>
    private void MarkMemory(InstanceLease lease)
    {
        if (lease.Entry.Guard is not { } guard)
            return;
        guard.SetShortOfMemory(_time.GetTimestamp(), Rules.MemoryTime);
        FaultLog.ShortOfMemory(_logger, lease.Placement.State.Model.Key, lease.Instance.Name, Rules.Options.MemoryTime.TotalSeconds);
    }

    private double Seconds(long ticks) => Math.Round(ticks / (double)_time.TimestampFrequency, 3);
}
