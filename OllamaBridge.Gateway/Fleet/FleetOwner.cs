using System.Collections.Immutable;
using System.Threading.Channels;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet.Breaker;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>The one writer of the fleet: takes events in order, looks at instances when due, publishes snapshots.</summary>
internal sealed class FleetOwner(
    InstanceProbe probe,
    IInstanceSource source,
    IOptions<HealthOptions> options,
    TimeProvider time,
    ILogger<FleetOwner> logger) : BackgroundService, IHostedLifecycleService, IFleet
{
    // A request that was just bound needs a moment to reach the instance; what was asked before that says nothing about it.
    private static readonly TimeSpan ObservationSlack = TimeSpan.FromMilliseconds(500);
    private readonly Channel<FleetEvent> _events = Channel.CreateUnbounded<FleetEvent>(new UnboundedChannelOptions { SingleReader = true });
    private readonly List<InstanceWatch> _watches = [];
    private readonly List<CatalogWait> _catalogWaits = [];
    private readonly SnapshotBuilder _builder = new(new PlacementKeeper(options.Value, time));
    private readonly HealthOptions _options = options.Value;
    private readonly Dictionary<string, DrainMark> _drains = new(StringComparer.OrdinalIgnoreCase);
    private FleetSnapshot _current = FleetSnapshot.Empty;
    private FleetWords _words = FleetWords.None;

    /// <inheritdoc/>
    public event Action? Changed;

    /// <inheritdoc/>
    public FleetSnapshot Current => Volatile.Read(ref _current);

    /// <inheritdoc/>
    public void ReportFailure(Instance instance, InstanceFailure failure, ModelState? model = null)
    {
        // One model alone makes up half of a row: that it is sick says nothing of the instance.
        if (failure is InstanceFailure.Refused or InstanceFailure.StaleCatalog
            || instance.CountRequestFailure(model, (_options.RequestFailuresToEject + 1) / 2) >= _options.RequestFailuresToEject)
            _events.Writer.TryWrite(new RequestsFailed(instance, failure));
    }

    /// <inheritdoc/>
    public void ReportSuccess(Instance instance)
    {
        if (instance.ClearRequestFailures())
            _events.Writer.TryWrite(new RequestsRecovered(instance));
    }

    /// <inheritdoc/>
    public Task<bool> SetDrainingAsync(string name, bool draining, CancellationToken cancellationToken)
    {
        var done = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        _events.Writer.TryWrite(new DrainAsked(name, draining, done));
        return done.Task.WaitAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async Task RefreshCatalogAsync(CancellationToken cancellationToken)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _events.Writer.TryWrite(new CatalogAsked(done));
        try
        {
            await done.Task.WaitAsync(_options.Timeout, time, cancellationToken);
        }
        catch (TimeoutException)
        {
            // An instance does not answer: its list is read when it does.
        }
    }

    /// <summary>What this gateway has to say to others.</summary>
    internal FleetWords Words => Volatile.Read(ref _words);

    /// <summary>Takes in what other gateways say.</summary>
    /// <param name="drains">Operators' words on instances.</param>
    /// <param name="ejections">What other gateways have ejected.</param>
    /// <param name="roomFound">Whether this gateway may use slots that it might not use before: whoever waits is to look again.</param>
    internal void Learn(ImmutableArray<DrainMark> drains, ImmutableArray<EjectionMark> ejections, bool roomFound)
    {
        if (!ejections.IsEmpty || drains.Any(d => !Words.Drains.Contains(d)))
            _events.Writer.TryWrite(new OthersHeard(drains, ejections));
        if (roomFound)
            Changed?.Invoke();
    }

    /// <summary>Before the first request is taken: who is there, and what do they have.</summary>
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        Reconcile(await source.ListAsync(cancellationToken));
        if (_watches.Count == 0)
            FleetLog.NoInstances(logger);
        source.Watch(definitions => _events.Writer.TryWrite(new DefinitionsChanged(definitions)));
        var looks = await Task.WhenAll(_watches.Select(w => probe.LookAsync(w.Instance, true, _options.Timeout, cancellationToken)));
        foreach (var look in looks)
            Apply(new Looked(look), cancellationToken);
        Publish();
    }

    /// <inheritdoc/>
    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (!stoppingToken.IsCancellationRequested)
            {
                StartDueLooks(stoppingToken);
                await WaitAsync(stoppingToken);
                var changed = false;
                while (_events.Reader.TryRead(out var next))
                    changed |= Apply(next, stoppingToken);
                if (changed)
                    Publish();
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The service stops.
        }
        finally
        {
            await Task.WhenAll(_watches.Select(w => w.Look ?? Task.CompletedTask)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task WaitAsync(CancellationToken stoppingToken)
    {
        var due = TimeSpan.FromMinutes(1);
        var now = time.GetUtcNow();
        foreach (var watch in _watches)
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
        var now = time.GetUtcNow();
        foreach (var watch in _watches)
            if (watch.Look is null && watch.NextLook <= now)
                watch.Look = LookAsync(watch, watch.NextCatalog <= now, stoppingToken);
    }

    private async Task LookAsync(InstanceWatch watch, bool withCatalog, CancellationToken stoppingToken)
    {
        var result = await probe.LookAsync(watch.Instance, withCatalog, _options.Timeout, stoppingToken);
        _events.Writer.TryWrite(new Looked(result));
    }

    /// <returns>Whether there is something new to publish.</returns>
    private bool Apply(FleetEvent next, CancellationToken stoppingToken)
    {
        var now = time.GetUtcNow();
        switch (next)
        {
            case Looked { Result: var result }:
                return ApplyLook(result, now);
            case RequestsFailed { Failure: InstanceFailure.StaleCatalog } stale:
                Find(stale.Instance)?.LookNow(now);
                return false;
            case RequestsFailed failed:
                if (Find(failed.Instance) is not { } watch || !watch.Eject(failed.Failure, _options, now))
                    return false;
                FleetLog.StatusChanged(logger, watch.Instance.Name, watch.Status, failed.Failure.ToString());
                WriteWords();
                return true;
            case RequestsRecovered recovered:
                Find(recovered.Instance)?.Praise();
                return false;
            case DrainAsked drain:
                return ApplyDrain(drain);
            case OthersHeard others:
                return ApplyDrains(others.Drains) | ApplyEjections(others.Ejections, now);
            case DefinitionsChanged { Definitions: var definitions }:
                Reconcile(definitions);
                return true;
            case CatalogAsked asked:
                AskCatalog(asked.Done, now, stoppingToken);
                return false;
            default:
                throw new InvalidOperationException($"No rule for {next.GetType().Name}.");
        }
    }

    private bool ApplyLook(ProbeResult result, DateTimeOffset now)
    {
        if (Find(result.Instance) is not { } watch)
            return false;
        watch.Look = null;
        if (watch.Apply(result, _options, now))
            FleetLog.StatusChanged(logger, watch.Instance.Name, watch.Status, result.Error ?? "answers");
        if (result.Error is null)
        {
            var slack = (long)(ObservationSlack.TotalSeconds * time.TimestampFrequency);
            _builder.ObserveLoaded(watch.Instance, result.Loaded.Select(m => m.Key).ToHashSet(), result.AskedAt - slack);
        }

        foreach (var wait in _catalogWaits)
            if (result.AskedAt >= wait.Since && (!result.Catalog.IsDefault || result.Error is not null))
                wait.Missing.Remove(watch.Instance);
        return true;
    }

    private bool ApplyDrain(DrainAsked drain)
    {
        var watch = _watches.FirstOrDefault(w => string.Equals(w.Instance.Name, drain.Name, StringComparison.OrdinalIgnoreCase));
        if (watch is not null)
        {
            var version = time.GetUtcNow().ToUnixTimeMilliseconds();
            if (_drains.TryGetValue(watch.Instance.Name, out var known))
                version = Math.Max(version, known.Version + 1);
            ApplyDrains([new DrainMark(watch.Instance.Name, drain.Draining, version)]);
            Publish();
        }

        drain.Done.TrySetResult(watch is not null);
        return false;
    }

    /// <returns>Whether there is something new to publish.</returns>
    private bool ApplyDrains(ImmutableArray<DrainMark> marks)
    {
        var (heard, changed) = (false, false);
        foreach (var mark in marks)
        {
            if (_drains.TryGetValue(mark.Instance, out var known) && known.Version >= mark.Version)
                continue;
            _drains[mark.Instance] = mark;
            heard = true;
            if (_watches.Find(w => string.Equals(w.Instance.Name, mark.Instance, StringComparison.OrdinalIgnoreCase)) is not { } watch
                || watch.Draining == mark.Draining)
                continue;
            watch.Draining = mark.Draining;
            FleetLog.Draining(logger, watch.Instance.Name, mark.Draining);
            changed = true;
        }

        if (heard)
            WriteWords();
        return changed;
    }

    /// <returns>Whether there is something new to publish.</returns>
    private bool ApplyEjections(ImmutableArray<EjectionMark> marks, DateTimeOffset now)
    {
        var changed = false;
        foreach (var mark in marks)
        {
            var watch = _watches.Find(w => w.Instance.Name == mark.Instance);
            // The last one is not given up on somebody else's word: it may be their network.
            if (watch is null || !_watches.Exists(w => w != watch && w.Status == InstanceStatus.Healthy && !w.Draining)
                || !watch.EjectUntil(now + mark.Remaining, _options, now))
                continue;
            FleetLog.StatusChanged(logger, watch.Instance.Name, watch.Status, "another gateway's requests failed");
            changed = true;
        }

        return changed;
    }

    private void WriteWords() => Volatile.Write(ref _words, new FleetWords(
        [.. _drains.Values],
        [.. _watches.Where(w => w.OwnEjectionUntil > time.GetUtcNow()).Select(w => (w.Instance.Name, w.OwnEjectionUntil))]));

    private void AskCatalog(TaskCompletionSource done, DateTimeOffset now, CancellationToken stoppingToken)
    {
        var wait = new CatalogWait(done, time.GetTimestamp(), []);
        foreach (var watch in _watches.Where(w => w.Status == InstanceStatus.Healthy))
        {
            wait.Missing.Add(watch.Instance);
            // Beside a look that may be under way: that one may have read the list before the change.
            watch.Look = LookAsync(watch, withCatalog: true, stoppingToken);
            watch.NextCatalog = now + _options.CatalogInterval;
        }

        _catalogWaits.Add(wait);
        CompleteCatalogWaits();
    }

    private void CompleteCatalogWaits() => _catalogWaits.RemoveAll(wait =>
    {
        if (wait.Missing.Count > 0)
            return false;
        wait.Done.TrySetResult();
        return true;
    });

    private void Reconcile(IReadOnlyList<InstanceDefinition> definitions)
    {
        var kept = new List<InstanceWatch>();
        foreach (var definition in definitions)
        {
            var watch = _watches.Find(w => w.Instance.Name == definition.Name && w.Instance.Url == definition.Url);
            if (watch is null)
            {
                watch = new InstanceWatch(new Instance(definition)) { Draining = WasDrained(definition) };
                FleetLog.Added(logger, definition.Name, definition.Url, definition.Slots);
            }

            watch.Instance.Configure(definition);
            kept.Add(watch);
        }

        foreach (var gone in _watches.Except(kept))
        {
            FleetLog.Removed(logger, gone.Instance.Name);
            foreach (var wait in _catalogWaits)
                wait.Missing.Remove(gone.Instance);
        }

        _watches.Clear();
        _watches.AddRange(kept);
    }

    /// <summary>An operator's word is on a name, and may be older than this gateway's knowledge of the instance.</summary>
    private bool WasDrained(InstanceDefinition definition) => _drains.TryGetValue(definition.Name, out var mark) && mark.Draining;

    private InstanceWatch? Find(Instance instance) => _watches.Find(w => w.Instance == instance);

    private void Publish()
    {
        Volatile.Write(ref _current, _builder.Build([.. _watches.Select(w => w.ToView())]));
        CompleteCatalogWaits();
        Changed?.Invoke();
    }

    /// <summary>Somebody who waits for model lists read after a moment, and the instances whose list is still missing.</summary>
    private sealed record CatalogWait(TaskCompletionSource Done, long Since, HashSet<Instance> Missing);
}

/// <summary>What a gateway has to say to others of its own knowledge.</summary>
/// <param name="Drains">Every word on drains that it knows.</param>
/// <param name="Ejections">What it has ejected itself, and until when.</param>
internal sealed record FleetWords(ImmutableArray<DrainMark> Drains, ImmutableArray<(string Instance, DateTimeOffset Until)> Ejections)
{
    /// <summary>Nothing.</summary>
    public static FleetWords None { get; } = new([], []);
}
