using System.Threading.Channels;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Fleet.Weights;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>The only writer of the fleet's state: handles events in order, starts probes when due and publishes snapshots.</summary>
internal sealed class FleetOwner(
    InstanceProbe probe,
    IInstanceSource source,
    IOptions<HealthOptions> options,
    TimeProvider time,
    ILogger<FleetOwner> logger,
    ColdTiers? tiers = null,
    RegionPeers? peers = null,
    ModelDigests? digests = null,
    ModelWeights? weights = null,
    AuditTrail? audit = null) : BackgroundService, IHostedLifecycleService, IFleet
{
    // A leased request needs a moment to reach the instance; a list requested before that does not show its effect.
    private static readonly TimeSpan RunningPatience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ObservationSlack = TimeSpan.FromMilliseconds(500);
    private readonly Channel<FleetEvent> _events = Channel.CreateUnbounded<FleetEvent>(new UnboundedChannelOptions { SingleReader = true });
    private readonly InstanceWatches _watches = new(options, time, logger);
    private readonly CatalogWaits _catalogWaits = new();
    private readonly SnapshotBuilder _builder = new(new PlacementKeeper(options, time), tiers, digests, weights);
    private HealthOptions Settings => options.Value;
    private IReadOnlyList<InstanceDefinition> _here = [];
    private IReadOnlyList<InstanceDefinition> _configured = [];
    private Coalescer? _running;
    private FleetSnapshot _current = FleetSnapshot.Empty;
    private OperatorDirectives _words = OperatorDirectives.None;

    public event Action? Changed;

    public FleetSnapshot Current => Volatile.Read(ref _current);

    public void ReportFailure(Instance instance, InstanceFailure failure, ModelState? model = null)
    {
        // One model alone counts at most half of the failures that eject: its failures do not prove that the instance is faulty.
        if (failure is InstanceFailure.Refused or InstanceFailure.StaleCatalog
            || instance.CountRequestFailure(model, (Settings.RequestFailuresToEject + 1) / 2) >= Settings.RequestFailuresToEject)
            _events.Writer.TryWrite(new RequestsFailed(instance, failure));
    }

    public void ReportSuccess(Instance instance)
    {
        if (instance.ClearRequestFailures())
            _events.Writer.TryWrite(new RequestsRecovered(instance));
    }

    public Task<bool> SetDrainingAsync(string name, bool draining, CancellationToken cancellationToken) =>
        AskAsync<bool>(done => new DrainRequested(name, draining, null, done), cancellationToken);

    public Task<bool> DrainUntilAsync(string name, DateTimeOffset deadline, CancellationToken cancellationToken) =>
        AskAsync<bool>(done => new DrainRequested(name, Draining: true, deadline, done), cancellationToken);

    public Task<MemberChange> AddAsync(InstanceDefinition definition, CancellationToken cancellationToken) =>
        AskAsync<MemberChange>(done => new MemberAdded(definition, done), cancellationToken);

    public Task<MemberChange> RemoveAsync(string name, CancellationToken cancellationToken) =>
        AskAsync<MemberChange>(done => new MemberRemoved(name, done), cancellationToken);

    public void LookAgain(Instance instance) => _events.Writer.TryWrite(new ProbeRequested(instance));

    public Task RefreshRunningAsync(CancellationToken cancellationToken) =>
        LazyInitializer.EnsureInitialized(ref _running, () => new Coalescer(ReadRunningAsync)).RunAsync().WaitAsync(cancellationToken);

    public async Task RefreshCatalogAsync(CancellationToken cancellationToken)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _events.Writer.TryWrite(new CatalogRequested(done));
        try
        {
            await done.Task.WaitAsync(Settings.Timeout, time, cancellationToken);
        }
        catch (TimeoutException)
        {
            // An instance did not respond: its list is read as soon as it does.
        }
    }

    /// <summary>The state that this gateway shares with others.</summary>
    internal OperatorDirectives Words => Volatile.Read(ref _words);

    /// <inheritdoc cref="InstanceWatches.FirstAllowance"/>
    internal Func<int, int> FirstAllowance
    {
        set => _watches.FirstAllowance = value;
    }

    /// <summary>Merges state from other gateways: operators' directives and ejections.</summary>
    internal void Learn(PeerStateReceived heard)
    {
        var words = Words;
        if (!heard.Ejections.IsEmpty || words.Merge(heard.Drains, heard.Members, time.GetWallClock()) != words)
            _events.Writer.TryWrite(heard);
    }

    /// <summary>Applies changed settings of tiers or digests from the next snapshot on.</summary>
    internal void Reconfigure(ColdTiers changedTiers, ModelDigests changedDigests) => _events.Writer.TryWrite(new RulesChanged(changedTiers, changedDigests));

    /// <summary>Raises <see cref="Changed"/> because this gateway may use more slots: waiting requests can be scheduled.</summary>
    internal void NoteRoom() => Changed?.Invoke();

    /// <summary>Applies the state received before the first request and probes new instances.</summary>
    internal async Task CatchUpAsync(CancellationToken cancellationToken)
    {
        while (_events.Reader.TryRead(out var next))
            Apply(next, cancellationToken);
        await LookAtAsync(_watches.All.Where(w => w.NextLook == default), cancellationToken);
    }

    /// <summary>Lists and probes the instances before the first request is accepted.</summary>
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        _configured = WithPeers(_here = await source.ListAsync(cancellationToken));
        Reconcile();
        if (_watches.All.Count == 0 && source.IsSearching)
            DiscoveryLog.NobodyFound(logger);
        else if (_watches.All.Count == 0)
            FleetLog.NoInstances(logger);
        source.Watch(definitions => _events.Writer.TryWrite(new DefinitionsChanged(definitions)));
        await LookAtAsync(_watches.All, cancellationToken);
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
                StartDueLooks(stoppingToken);
                await WaitAsync(stoppingToken);
                var changed = _watches.LetGo(time.GetMoment()) is { Count: > 0 } gone && Forget(gone);
                while (_events.Reader.TryRead(out var next))
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
            await Task.WhenAll(_watches.All.Select(w => w.Look ?? Task.CompletedTask)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task LookAtAsync(IEnumerable<InstanceWatch> watches, CancellationToken cancellationToken)
    {
        var looks = await Task.WhenAll(watches.Select(w => probe.LookAsync(w.Instance, true, Settings.Timeout, cancellationToken, Settings.CatalogTimeout)));
        foreach (var look in looks)
            Apply(new Looked(look), cancellationToken);
        Publish();
    }

    private Task<T> AskAsync<T>(Func<TaskCompletionSource<T>, FleetEvent> ask, CancellationToken cancellationToken)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _events.Writer.TryWrite(ask(done));
        return done.Task.WaitAsync(cancellationToken);
    }

    private async Task WaitAsync(CancellationToken stoppingToken)
    {
        var due = TimeSpan.FromMinutes(1);
        var now = time.GetMoment();
        foreach (var watch in _watches.All)
            if (watch.Look is null && watch.NextLook - now < due)
                due = watch.NextLook - now;
        if (due <= TimeSpan.Zero)
            return;
        using var timer = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        var tick = Task.Delay(due, time, timer.Token);
        var ready = _events.Reader.WaitToReadAsync(timer.Token).AsTask();
        await Task.WhenAny(tick, ready);
        await timer.CancelAsync();
        await Task.WhenAll(tick, ready).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stoppingToken.ThrowIfCancellationRequested();
    }

    private void StartDueLooks(CancellationToken stoppingToken)
    {
        var now = time.GetMoment();
        foreach (var watch in _watches.All)
            if (watch.Look is null && watch.NextLook <= now)
                watch.Look = LookAsync(watch, watch.NextCatalog <= now && !watch.IsCatalogLate, stoppingToken);
    }

    private async Task LookAsync(InstanceWatch watch, bool withCatalog, CancellationToken stoppingToken)
    {
        var result = await probe.LookAsync(watch.Instance, withCatalog, Settings.Timeout, stoppingToken, Settings.CatalogTimeout);
        _events.Writer.TryWrite(new Looked(result));
    }

    /// <returns>Whether a new snapshot must be published.</returns>
    private bool Apply(FleetEvent next, CancellationToken stoppingToken)
    {
        var now = time.GetMoment();
        switch (next)
        {
            case Looked { Result: var result }:
                return ApplyLook(result, now);
            case CatalogReceived { Result: var late }:
                _watches.Find(late.Instance)?.Apply(late, Settings, now);
                return true;
            case RequestsFailed { Failure: InstanceFailure.StaleCatalog } stale:
                _watches.Find(stale.Instance)?.LookNow(now);
                return false;
            case RequestsFailed failed:
                if (_watches.Find(failed.Instance) is not { } watch || !watch.Eject(failed.Failure, Settings, now))
                    return false;
                FleetLog.StatusChanged(logger, watch.Instance.Name, watch.Status, failed.Failure.ToString());
                Volatile.Write(ref _words, _words with { Ejections = _watches.OwnEjections(now) });
                return true;
            case RequestsRecovered recovered:
                _watches.Find(recovered.Instance)?.Praise();
                return false;
            case DrainRequested drain:
                return ApplyDrain(drain, time.GetWallClock());
            case MemberAdded added:
                return ApplyAdded(added, now, stoppingToken);
            case MemberRemoved removed:
                return Answer(removed.Done, FleetMembers.Remove(removed.Name, _configured, _words, time.GetWallClock()));
            case PeerStateReceived others:
                return ApplyWords(_words.Merge(others.Drains, others.Members, time.GetWallClock())) | _watches.ApplyEjections(others.Ejections, now);
            case DefinitionsChanged { Definitions: var definitions }:
                var listed = WithPeers(_here = definitions);
                if (audit is not null)
                    InstanceDescription.RecordChanges(audit, _configured, listed);
                _configured = listed;
                Reconcile();
                return true;
            case RulesChanged rules:
                (_builder.Tiers, _builder.Digests) = (rules.Tiers, rules.Digests);
                _configured = WithPeers(_here);
                Reconcile();
                return true;
            case ProbeRequested wanted:
                _watches.Find(wanted.Instance)?.LookSoon(now);
                return false;
            case RunningModelsRequested running:
                LookAtRunning(() => running.Done.TrySetResult(), stoppingToken);
                return false;
            case CatalogRequested asked:
                LookAtLists(
                    // Only this region's instances: the change was made here.
                    _watches.All.Where(w => w.Status == InstanceStatus.Healthy && !w.Instance.IsPeer).ToList(),
                    () => asked.Done.TrySetResult(), now, stoppingToken);
                return false;
            default:
                throw new InvalidOperationException($"No rule for {next.GetType().Name}.");
        }
    }

    private bool ApplyLook(ProbeResult result, Moment now)
    {
        if (_watches.Find(result.Instance) is not { } watch)
            return false;
        watch.Look = null;
        var known = watch.Mistake;
        if (watch.Apply(result, Settings, now))
            FleetLog.StatusChanged(logger, watch.Instance.Name, watch.Status, result.Error ?? "responds");
        if (watch.Mistake is { } mistake && mistake != known)
            RegionLog.Mistaken(logger, watch.Instance.Name, mistake);
        if (result.LateCatalog is { } late)
        {
            watch.IsCatalogLate = true;
            _ = TakeLateAsync(late);
        }

        if (result.Error is null && !result.Loaded.IsDefault)
        {
            var slack = (long)(ObservationSlack.TotalSeconds * time.TimestampFrequency);
            _builder.ObserveLoaded(watch.Instance, result.Loaded.Select(m => m.Key).ToHashSet(), result.AskedAt - slack);
        }

        _catalogWaits.Note(result);
        if (watch.IsBackFromDrain)
        {
            audit?.Record(
                AuditActors.Bridge, AuditActions.DrainEnd, watch.Instance.Name, InstanceDescription.OfDrain(watch.ToView()),
                new System.Text.Json.Nodes.JsonObject { ["draining"] = false });
            ApplyWords(_words.Drain(watch.Instance.Name, draining: false, time.GetWallClock()));
        }

        return true;
    }

    private async Task TakeLateAsync(Task<CatalogResult> late)
    {
        try
        {
            _events.Writer.TryWrite(new CatalogReceived(await late));
        }
        catch (OperationCanceledException)
        {
            // Shutdown.
        }
    }

    private bool ApplyDrain(DrainRequested drain, DateTimeOffset now)
    {
        var instance = _watches.Find(drain.Name)?.Instance;
        // An instance that is absent now may come back under its name, so its drain can be ended as well.
        var name = instance?.Name ?? (!drain.Draining && _words.IsDrained(drain.Name) ? drain.Name : null);
        return name is not null
            ? Answer(drain.Done, (true, _words.Drain(name, drain.Draining, now, drain.Deadline, instance?.Incarnation)))
            : Answer(drain.Done, (false, _words));
    }

    /// <summary>Applies an operator's directive and completes the operator's call once it is in the published snapshot.</summary>
    /// <returns>False: the snapshot has been published already.</returns>
    private bool Answer<T>(TaskCompletionSource<T> done, (T Outcome, OperatorDirectives Words) said)
    {
        Say(said.Words);
        done.TrySetResult(said.Outcome);
        return false;
    }

    private bool ApplyAdded(MemberAdded added, Moment now, CancellationToken stoppingToken)
    {
        var (change, words) = FleetMembers.Add(added.Definition, _configured, _words, time.GetWallClock());
        Say(words);
        // The operator's call completes after the first probe, so that its response has the status.
        if (change is MemberChange.Added or MemberChange.Changed
            && _watches.Find(added.Definition.Name) is { Look: null, Status: InstanceStatus.Unknown } watch)
            LookAtLists([watch], () => added.Done.TrySetResult(change), now, stoppingToken);
        else
            added.Done.TrySetResult(change);
        return false;
    }

    private void Say(OperatorDirectives words)
    {
        if (words == _words)
            return;
        ApplyWords(words);
        Publish();
    }

    /// <returns>Whether a new snapshot must be published.</returns>
    private bool ApplyWords(OperatorDirectives words)
    {
        var before = _words;
        Volatile.Write(ref _words, words);
        var membersChanged = words.Members != before.Members;
        if (membersChanged)
            Reconcile();
        return (words.Drains != before.Drains && _watches.ApplyDrains(words)) || membersChanged;
    }

    private void LookAtLists(IReadOnlyCollection<InstanceWatch> watches, Action done, Moment now, CancellationToken stoppingToken)
    {
        var since = time.GetTimestamp();
        foreach (var watch in watches)
        {
            // A second probe beside one in progress: that one may have read the list before the change.
            watch.Look = LookAsync(watch, withCatalog: true, stoppingToken);
            watch.NextCatalog = now + Settings.CatalogInterval;
        }

        _catalogWaits.Add(done, since, watches.Select(w => w.Instance));
    }

    private void LookAtRunning(Action done, CancellationToken stoppingToken)
    {
        var since = time.GetTimestamp();
        // An OpenAI server's models are always in memory; another region's bridge is probed at its own interval.
        var watches = _watches.All.Where(w => w.Status == InstanceStatus.Healthy && w.Instance is { IsPeer: false, OpenAI: null }).ToList();
        foreach (var watch in watches)
            watch.Look = LookAsync(watch, withCatalog: false, stoppingToken);
        _catalogWaits.Add(done, since, watches.Select(w => w.Instance), isForLists: false);
    }

    private async Task ReadRunningAsync()
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _events.Writer.TryWrite(new RunningModelsRequested(done));
        try
        {
            await done.Task.WaitAsync(RunningPatience, time);
        }
        catch (TimeoutException)
        {
            // An instance is slow: its previous list remains until it responds.
        }
    }

    private IReadOnlyList<InstanceDefinition> WithPeers(IReadOnlyList<InstanceDefinition> here) => peers?.Append(here) ?? here;

    private void Reconcile()
    {
        var now = time.GetMoment();
        Forget(_watches.Reconcile(_configured, _words, now));
        // The name of an ejected instance may belong to another instance now.
        if (!_words.Ejections.IsEmpty)
            Volatile.Write(ref _words, _words with { Ejections = _watches.OwnEjections(now) });
    }

    /// <returns>True: a new snapshot must be published.</returns>
    private bool Forget(IReadOnlyList<Instance> gone)
    {
        foreach (var instance in gone)
            _catalogWaits.Forget(instance);
        return true;
    }

    private void Publish()
    {
        var before = _current;
        Volatile.Write(ref _current, _builder.Build([.. _watches.All.Select(w => w.ToView())]));
        foreach (var mismatch in _current.Mismatches.Except(before.Mismatches))
            FleetLog.DigestMismatch(
                logger, mismatch.Model, mismatch.Instance.Name, DigestMismatch.Short(mismatch.Digest), DigestMismatch.Short(mismatch.Served));
        _catalogWaits.Complete();
        Changed?.Invoke();
    }
}
