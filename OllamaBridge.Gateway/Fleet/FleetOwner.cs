using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Fleet.Weights;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>The only writer of the fleet's state: handles events in order, starts probes when due and publishes snapshots.</summary>
internal sealed class FleetOwner : BackgroundService, IHostedLifecycleService, IFleet
{
    // A leased request needs a moment to reach the instance; a list requested before that does not show its effect.
    private static readonly TimeSpan RunningPatience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ObservationSlack = TimeSpan.FromMilliseconds(500);
    private readonly IInstanceSource _source;
    private readonly IOptions<HealthOptions> _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly FleetEventQueue _events;
    private readonly InstanceWatches _watches;
    private readonly ProbeRunner _probes;
    private readonly FleetMembership _membership;
    private readonly SnapshotBuilder _builder;
    private Coalescer? _running;
    private FleetSnapshot _current = FleetSnapshot.Empty;

    public FleetOwner(
        InstanceProbe probe,
        IInstanceSource source,
        IOptions<HealthOptions> options,
        TimeProvider time,
        ILogger<FleetOwner> logger,
        ColdTiers? tiers = null,
        RegionPeers? peers = null,
        ModelDigests? digests = null,
        ModelWeights? weights = null,
        AuditTrail? audit = null)
    {
        (_source, _options, _time, _logger) = (source, options, time, logger);
        _events = new FleetEventQueue(time);
        _watches = new InstanceWatches(options, time, logger);
        _probes = new ProbeRunner(probe, _watches, _events, options, time);
        _membership = new FleetMembership(_watches, _probes, peers, time, audit);
        _builder = new SnapshotBuilder(new PlacementKeeper(options, time), tiers, digests, weights);
    }

    public event Action? Changed;

    public FleetSnapshot Current => Volatile.Read(ref _current);

    private HealthOptions Settings => _options.Value;

    public void ReportFailure(Instance instance, InstanceFailure failure, ModelState? model = null)
    {
        // One model alone counts at most half of the failures that eject: its failures do not prove that the instance is faulty.
        if (failure is InstanceFailure.Refused or InstanceFailure.StaleCatalog
            || instance.CountRequestFailure(model, (Settings.RequestFailuresToEject + 1) / 2) >= Settings.RequestFailuresToEject)
            _events.Post(new RequestsFailed(instance, failure));
    }

    public void ReportSuccess(Instance instance)
    {
        if (instance.ClearRequestFailures())
            _events.Post(new RequestsRecovered(instance));
    }

    public Task<bool> SetDrainingAsync(string name, bool draining, CancellationToken cancellationToken) =>
        _events.RequestAsync<bool>(done => new DrainRequested(name, draining, null, done), cancellationToken);

    public Task<bool> DrainUntilAsync(string name, DateTimeOffset deadline, CancellationToken cancellationToken) =>
        _events.RequestAsync<bool>(done => new DrainRequested(name, Draining: true, deadline, done), cancellationToken);

    public Task<MemberChange> AddAsync(InstanceDefinition definition, CancellationToken cancellationToken) =>
        _events.RequestAsync<MemberChange>(done => new MemberAdded(definition, done), cancellationToken);

    public Task<MemberChange> RemoveAsync(string name, CancellationToken cancellationToken) =>
        _events.RequestAsync<MemberChange>(done => new MemberRemoved(name, done), cancellationToken);

    public void RequestProbe(Instance instance) => _events.Post(new ProbeRequested(instance));

    public Task RefreshRunningAsync(CancellationToken cancellationToken) =>
        LazyInitializer.EnsureInitialized(
            ref _running,
            () => new Coalescer(() => _events.RequestAsync(done => new RunningModelsRequested(done), RunningPatience, CancellationToken.None)))
        .RunAsync().WaitAsync(cancellationToken);

    public Task RefreshCatalogAsync(CancellationToken cancellationToken) =>
        _events.RequestAsync(done => new CatalogRequested(done), Settings.Timeout, cancellationToken);

    internal OperatorDirectives Directives => _membership.Directives;

    internal Func<int, int> FirstAllowance
    {
        set => _watches.FirstAllowance = value;
    }

    internal void MergePeerState(PeerStateReceived received)
    {
        var directives = Directives;
        if (!received.Ejections.IsEmpty || directives.Merge(received.Drains, received.Members, _time.GetWallClock()) != directives)
            _events.Post(received);
    }

    internal void Reconfigure(ColdTiers changedTiers, ModelDigests changedDigests) => _events.Post(new RulesChanged(changedTiers, changedDigests));

    internal void NotifySlotsAvailable() => Changed?.Invoke();

    internal async Task ApplyReceivedAsync(CancellationToken cancellationToken)
    {
        while (_events.TryRead(out var next))
            Apply(next, cancellationToken);
        await ProbeAsync(_watches.All.Where(w => w.NextProbe == default), cancellationToken);
    }

    /// <summary>Lists and probes the instances before the first request is accepted.</summary>
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        _membership.SetListed(await _source.ListAsync(cancellationToken), isStart: true);
        if (_watches.All.Count == 0 && _source.IsSearching)
            DiscoveryLog.NoInstanceFound(_logger);
        else if (_watches.All.Count == 0)
            InstanceLog.NoInstances(_logger);
        _source.Watch(definitions => _events.Post(new DefinitionsChanged(definitions)));
        await ProbeAsync(_watches.All, cancellationToken);
    }

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (!stoppingToken.IsCancellationRequested)
            {
                _probes.StartDue(stoppingToken);
                await _events.WaitAsync(_probes.UntilDue(), stoppingToken);
                var removed = _watches.RemoveDrained(_time.GetMoment());
                _probes.Forget(removed);
                var changed = removed.Count > 0;
                while (_events.TryRead(out var next))
                    changed |= Apply(next, stoppingToken);
                if (changed)
                    Publish();
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Shutdown.
        }
        finally
        {
            await _probes.EndAsync();
        }
    }

    private async Task ProbeAsync(IEnumerable<InstanceWatch> watches, CancellationToken cancellationToken)
    {
        foreach (var result in await _probes.RunAsync(watches, cancellationToken))
            Apply(new ProbeCompleted(result), cancellationToken);
        Publish();
    }

    private bool Apply(FleetEvent next, CancellationToken stoppingToken)
    {
        var now = _time.GetMoment();
        switch (next)
        {
            case ProbeCompleted { Result: var result }:
                return ApplyProbe(result, now);
            case CatalogReceived { Result: var late }:
                _watches.Find(late.Instance)?.Apply(late, Settings, now);
                return true;
            case RequestsFailed { Failure: InstanceFailure.StaleCatalog } stale:
                _watches.Find(stale.Instance)?.ProbeNow(now);
                return false;
            case RequestsFailed failed:
                return ApplyFailure(failed, now);
            case RequestsRecovered recovered:
                _watches.Find(recovered.Instance)?.ResetEjectionTime();
                return false;
            case DrainRequested drain:
                return Complete(drain.Done, _membership.Drain(drain));
            case MemberAdded added:
                return ApplyAdded(added, stoppingToken);
            case MemberRemoved removed:
                return Complete(removed.Done, _membership.Remove(removed.Name));
            case PeerStateReceived received:
                return _membership.Merge(received);
            case DefinitionsChanged { Definitions: var definitions }:
                _membership.SetListed(definitions);
                return true;
            case RulesChanged rules:
                (_builder.Tiers, _builder.Digests) = (rules.Tiers, rules.Digests);
                _membership.Refresh();
                return true;
            case ProbeRequested requested:
                _watches.Find(requested.Instance)?.ProbeSoon(now);
                return false;
            case RunningModelsRequested running:
                _probes.ReadRunning(() => running.Done.TrySetResult(), stoppingToken);
                return false;
            case CatalogRequested catalog:
                // Only this region's instances: the change was made here.
                _probes.ReadCatalogs(
                    _watches.All.Where(w => w.Status == InstanceStatus.Healthy && !w.Instance.IsPeer).ToList(), () => catalog.Done.TrySetResult(), stoppingToken);
                return false;
            default:
                throw new InvalidOperationException($"No rule for {next.GetType().Name}.");
        }
    }

    private bool ApplyProbe(ProbeResult result, Moment now)
    {
        if (_watches.Find(result.Instance) is not { } watch)
            return false;
        watch.Probe = null;
        var known = watch.Mistake;
        if (watch.Apply(result, Settings, now))
            InstanceLog.StatusChanged(_logger, watch.Instance.Name, watch.Status, result.Error ?? "responds");
        if (watch.Mistake is { } mistake && mistake != known)
            RegionLog.Mistaken(_logger, watch.Instance.Name, mistake);
        if (result.Error is null && !result.Loaded.IsDefault)
        {
            var slack = (long)(ObservationSlack.TotalSeconds * _time.TimestampFrequency);
            _builder.ObserveLoaded(watch.Instance, result.Loaded.Select(m => m.Key).ToHashSet(), result.AskedAt - slack);
        }

        _probes.Note(watch, result);
        if (watch.IsBackFromDrain)
            _membership.EndDrain(watch);
        return true;
    }

    private bool ApplyFailure(RequestsFailed failed, Moment now)
    {
        if (_watches.Find(failed.Instance) is not { } watch || !watch.Eject(failed.Failure, Settings, now))
            return false;
        InstanceLog.StatusChanged(_logger, watch.Instance.Name, watch.Status, failed.Failure.ToString());
        _membership.UpdateEjections();
        return true;
    }

    /// <returns>False: the snapshot has been published already.</returns>
    private bool Complete<T>(TaskCompletionSource<T> done, (T Outcome, OperatorDirectives Directives) result)
    {
        ApplyAndPublish(result.Directives);
        done.TrySetResult(result.Outcome);
        return false;
    }

    private bool ApplyAdded(MemberAdded added, CancellationToken stoppingToken)
    {
        var (change, directives) = _membership.Add(added.Definition);
        ApplyAndPublish(directives);
        // The operator's call completes after the first probe, so that its response has the status.
        if (change is MemberChange.Added or MemberChange.Changed && _watches.Find(added.Definition.Name) is { Probe: null, Status: InstanceStatus.Unknown } watch)
            _probes.ReadCatalogs([watch], () => added.Done.TrySetResult(change), stoppingToken);
        else
            added.Done.TrySetResult(change);
        return false;
    }

    private void ApplyAndPublish(OperatorDirectives directives)
    {
        if (directives == Directives)
            return;
        _membership.Apply(directives);
        Publish();
    }

    private void Publish()
    {
        var before = _current;
        Volatile.Write(ref _current, _builder.Build([.. _watches.All.Select(w => w.ToView())]));
        foreach (var mismatch in _current.Mismatches.Except(before.Mismatches))
            FleetLog.DigestMismatch(
                _logger, mismatch.Model, mismatch.Instance.Name, DigestMismatch.Short(mismatch.Digest), DigestMismatch.Short(mismatch.Served));
        _probes.CompleteWaits();
        Changed?.Invoke();
    }
}
