using System.Collections.Immutable;
using System.Text;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Testing.Fleet;

/// <summary>Builds snapshots for tests. A second build keeps the instances and their counters, as the fleet's owner does.</summary>
/// <param name="tiers">Cold tiers; null for none.</param>
/// <param name="digests">The configured digest of each name; null for the newest.</param>
internal sealed class FleetBuilder(ColdTiers? tiers = null, ModelDigests? digests = null)
{
    public static readonly DateTimeOffset Day = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);
    private readonly List<InstanceView> _views = [];
    private readonly SnapshotBuilder _builder = new(tiers: tiers, digests: digests);

    public FleetSnapshot Current { get; private set; } = FleetSnapshot.Empty;

    public Instance this[string name] => View(name).Instance;

    /// <summary>Adds an instance. Models are separated by blanks.</summary>
    public FleetBuilder With(string name, string models = "a", string loaded = "", int slots = 1, int capacity = 0)
    {
        var instance = new Instance(new InstanceDefinition(name, new Uri($"http://{name}:11434"), slots, capacity));
        _views.Add(new InstanceView(instance, InstanceStatus.Healthy, false, true, Catalog(models), Loaded(loaded), "0.32.15", null));
        return this;
    }

    /// <summary>Adds a server that supports only OpenAI's API. Ids are separated by blanks.</summary>
    public FleetBuilder WithOpenAI(string name, string ids, ApiRoutes routes = ApiRoutes.None, int slots = 1)
    {
        var service = new OpenAIService([.. Split(ids)], routes);
        var instance = new Instance(new InstanceDefinition(name, new Uri($"http://{name}:8000"), slots, 0) { OpenAI = service });
        _views.Add(new InstanceWatch(instance).ToView() with { Status = InstanceStatus.Healthy });
        return this;
    }

    /// <summary>Adds a peer in another region. Models are separated by blanks, and all have the same number of free slots.</summary>
    public FleetBuilder WithPeer(string region, string models = "a", int free = 1, int waiting = 0, int instances = 1, int slots = 16, string loaded = "")
    {
        var instance = new Instance(new InstanceDefinition(region, new Uri($"http://{region}:11400"), slots, int.MaxValue) { Peer = new PeerBridge("here", TimeSpan.FromSeconds(1)) });
        instance.TakeLoad(Report(models, free, waiting, instances), used: 0);
        _views.Add(new InstanceView(instance, InstanceStatus.Healthy, false, true, Catalog(models), Loaded(loaded), "0.32.15", null));
        return this;
    }

    public static RegionReport Report(string models, int free, int waiting = 0, int instances = 1) =>
        new(null, null, instances, [.. Split(models).Select(m => new RegionModel(m, instances, free, waiting))]);

    public FleetBuilder Change(string name, Func<InstanceView, InstanceView> change)
    {
        var at = _views.FindIndex(v => v.Instance.Name == name);
        _views[at] = change(_views[at]);
        return this;
    }

    public FleetBuilder Remove(string name)
    {
        _views.Remove(View(name));
        return this;
    }

    public FleetSnapshot Build() => Current = _builder.Build([.. _views]);

    public ModelPlacement Placement(string name, string model = "a") =>
        Current.Models[Key(model)].Placements.Single(p => p.Instance.Name == name);

    public void Observe(string name, string loaded, long askedAt) =>
        _builder.ObserveLoaded(this[name], Loaded(loaded).Select(m => m.Key).ToHashSet(), askedAt);

    public static ImmutableArray<CatalogModel> Catalog(string models) => [.. Split(models).Select((m, i) => Model(m, Day.AddMinutes(-i)))];

    public static ImmutableArray<LoadedModel> Loaded(string models) => [.. Split(models).Select(m => InMemory(m, Day))];

    public static CatalogModel Model(string name, DateTimeOffset modifiedAt, string? json = null) =>
        new(Key(name), name, modifiedAt, Encoding.UTF8.GetBytes(json ?? $$"""{"name":"{{name}}"}"""));

    public static LoadedModel InMemory(string name, DateTimeOffset expiresAt, string? json = null) =>
        new(Key(name), name, expiresAt, Encoding.UTF8.GetBytes(json ?? $$"""{"name":"{{name}}"}"""));

    public static string Key(string name) => ModelName.TryGetKey(name, out var key) ? key : throw new ArgumentException(name);

    private static string[] Split(string models) => models.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private InstanceView View(string name) => _views.Single(v => v.Instance.Name == name);
}

/// <summary>A fleet with directives that a test controls.</summary>
internal sealed class FakeFleet : IFleet
{
    private FleetSnapshot _current = FleetSnapshot.Empty;

    public event Action? Changed;

    public FleetSnapshot Current => Volatile.Read(ref _current);

    public List<(Instance Instance, InstanceFailure Failure)> Failures { get; } = [];

    public List<Instance> Successes { get; } = [];

    /// <summary>The instances whose probe was requested.</summary>
    public List<Instance> Probes { get; } = [];

    /// <summary>The result of drain and undrain requests.</summary>
    public Func<string, bool, bool> Drains { get; set; } = (_, _) => false;

    public void Publish(FleetSnapshot snapshot)
    {
        Volatile.Write(ref _current, snapshot);
        Changed?.Invoke();
    }

    public void ReportFailure(Instance instance, InstanceFailure failure, ModelState? model = null) => Failures.Add((instance, failure));

    public void ReportSuccess(Instance instance) => Successes.Add(instance);

    public Task<bool> SetDrainingAsync(string name, bool draining, CancellationToken cancellationToken) => Task.FromResult(Drains(name, draining));

    public Task<bool> DrainUntilAsync(string name, DateTimeOffset deadline, CancellationToken cancellationToken) => Task.FromResult(false);

    public Task<MemberChange> AddAsync(InstanceDefinition definition, CancellationToken cancellationToken) => Task.FromResult(MemberChange.AddressTaken);

    public Task<MemberChange> RemoveAsync(string name, CancellationToken cancellationToken) => Task.FromResult(MemberChange.NotFound);

    public void RequestProbe(Instance instance) => Probes.Add(instance);

    public Task RefreshRunningAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task RefreshCatalogAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
