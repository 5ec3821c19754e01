using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Discovery.Kubernetes;

namespace OllamaBridge.Gateway.Discovery;

/// <summary>Finds servers in the EndpointSlices of a Service and follows their changes. Needs get, list and watch permissions on them.</summary>
internal sealed class KubernetesDiscovery(
    KubernetesConnection connection, IOptions<KubernetesOptions> options, TimeProvider time, ILogger<KubernetesDiscovery> logger)
    : IGroupDiscovery, IDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<ServiceName, EndpointWatch> _watches = [];
    private Action? _changed;

    public InstanceDiscovery Way => InstanceDiscovery.Kubernetes;

    public async Task<GroupFound> FindAsync(InstanceDefinition group, CancellationToken cancellationToken)
    {
        var service = Service(group.Url.Host);
        EndpointWatch? watch;
        lock (_lock)
            if (!_watches.TryGetValue(service, out watch))
                _watches[service] = watch = new EndpointWatch(connection.Client, service, options.Value, time, logger, () => _changed?.Invoke());
        // Waits only the first time, until the API has responded or failed.
        await watch.First.WaitAsync(cancellationToken);
        return new GroupFound(Endpoints.Read(watch.Slices, group), watch.Problem);
    }

    public void Watch(Action changed) => Volatile.Write(ref _changed, changed);

    public void Keep(IReadOnlyCollection<InstanceDefinition> groups)
    {
        var wanted = groups.Where(g => g.Discovery == Way).Select(g => Service(g.Url.Host)).ToHashSet();
        lock (_lock)
            foreach (var (service, watch) in _watches.Where(w => !wanted.Contains(w.Key)).ToArray())
            {
                watch.Dispose();
                _watches.Remove(service);
            }
    }

    public void Dispose()
    {
        lock (_lock)
            foreach (var watch in _watches.Values)
                watch.Dispose();
    }

    private ServiceName Service(string host)
    {
        var service = ServiceName.Read(host)
            ?? throw new InvalidOperationException($"'{host}' is not the name of a Service, such as ollama, ollama.ai or ollama.ai.svc.cluster.local.");
        return service with { Namespace = service.Namespace ?? connection.Namespace };
    }
}
