using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Starts probes and posts their results. Used only by the fleet's owner.</summary>
internal sealed class ProbeRunner(InstanceProbe probe, InstanceWatches watches, FleetEventQueue events, IOptions<HealthOptions> options, TimeProvider time)
{
    private static readonly TimeSpan MaxIdle = TimeSpan.FromMinutes(1);
    private readonly CatalogWaits _waits = new();

    private HealthOptions Settings => options.Value;

    /// <summary>The time until the next probe is due; at most a minute.</summary>
    public TimeSpan UntilDue()
    {
        var due = MaxIdle;
        var now = time.GetMoment();
        foreach (var watch in watches.All)
            if (watch.Probe is null && watch.NextProbe - now < due)
                due = watch.NextProbe - now;
        return due;
    }

    public void StartDue(CancellationToken stoppingToken)
    {
        var now = time.GetMoment();
        foreach (var watch in watches.All)
            if (watch.Probe is null && watch.NextProbe <= now)
                watch.Probe = RunAsync(watch, watch.NextCatalog <= now && !watch.IsCatalogLate, stoppingToken);
    }

    public Task<ProbeResult[]> RunAsync(IEnumerable<InstanceWatch> instances, CancellationToken cancellationToken) =>
        Task.WhenAll(instances.Select(w => probe.ProbeAsync(w.Instance, true, Settings.Timeout, cancellationToken, Settings.CatalogTimeout)));

    /// <param name="done">Called once the lists have been read and published.</param>
    public void ReadCatalogs(IReadOnlyCollection<InstanceWatch> instances, Action done, CancellationToken stoppingToken)
    {
        var since = time.GetTimestamp();
        foreach (var watch in instances)
        {
            // A second probe beside one in progress: that one may have read the list before the change.
            watch.Probe = RunAsync(watch, withCatalog: true, stoppingToken);
            watch.NextCatalog = time.GetMoment() + Settings.CatalogInterval;
        }

        _waits.Add(done, since, instances.Select(w => w.Instance));
    }

    /// <param name="done">Called once the lists have been read and published.</param>
    public void ReadRunning(Action done, CancellationToken stoppingToken)
    {
        var since = time.GetTimestamp();
        // An OpenAI server's models are always in memory; another region's bridge is probed at its own interval.
        var instances = watches.All.Where(w => w.Status == InstanceStatus.Healthy && w.Instance is { IsPeer: false, OpenAI: null }).ToList();
        foreach (var watch in instances)
            watch.Probe = RunAsync(watch, withCatalog: false, stoppingToken);
        _waits.Add(done, since, instances.Select(w => w.Instance), isForLists: false);
    }

    public void Note(InstanceWatch watch, ProbeResult result)
    {
        if (result.LateCatalog is { } late)
        {
            watch.IsCatalogLate = true;
            _ = PostLateAsync(late);
        }

        _waits.Note(result);
    }

    public void CompleteWaits() => _waits.Complete();

    public void Forget(IReadOnlyList<Instance> removed)
    {
        foreach (var instance in removed)
            _waits.Forget(instance);
    }

    public async Task EndAsync() =>
        await Task.WhenAll(watches.All.Select(w => w.Probe ?? Task.CompletedTask)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private async Task RunAsync(InstanceWatch watch, bool withCatalog, CancellationToken stoppingToken) => events.Post(
        new ProbeCompleted(await probe.ProbeAsync(watch.Instance, withCatalog, Settings.Timeout, stoppingToken, Settings.CatalogTimeout)));

    private async Task PostLateAsync(Task<CatalogResult> late)
    {
        try
        {
            events.Post(new CatalogReceived(await late));
        }
        catch (OperationCanceledException)
        {
            // Shutdown.
        }
    }
}
