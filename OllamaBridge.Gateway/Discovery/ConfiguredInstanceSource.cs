using System.Net;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.ServiceDiscovery;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Discovery;

/// <summary>Instances from configuration (<c>Bridge:Urls</c>, <c>Bridge:Instances</c>), with resolved service names and discovered groups.</summary>
internal sealed class ConfiguredInstanceSource(
    IConfiguration configuration,
    ServiceEndpointResolver resolver,
    IEnumerable<IGroupDiscovery> discoveries,
    TimeProvider time,
    IOptions<FleetOptions> fleet,
    BridgeSettings settings,
    ILogger<ConfiguredInstanceSource> logger) : IInstanceSource, IDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private Action? _reload;
    private ITimer? _timer;
    private IReadOnlyList<InstanceDefinition> _last = [];
    private IReadOnlyList<string> _problems = [];
    private TimeSpan _again = Timeout.InfiniteTimeSpan;
    private int _changes;

    public bool IsSearching { get; private set; }

    public IReadOnlyList<string> Problems => Volatile.Read(ref _problems);

    public async Task<IReadOnlyList<InstanceDefinition>> ListAsync(CancellationToken cancellationToken) =>
        _last = await ReadAsync(cancellationToken);

    public void Watch(Action<IReadOnlyList<InstanceDefinition>> changed)
    {
        // Also if no setting of Bridge changed: addresses may come from the configuration section of service discovery.
        settings.Changed += _reload = () => _ = ReloadAsync(changed);
        _timer = time.CreateTimer(_ => _ = ReloadAsync(changed), null, _again, Timeout.InfiniteTimeSpan);
        foreach (var discovery in discoveries)
            discovery.Watch(() => _ = ReloadAsync(changed));
        // No handler was registered for changes between the first list and now.
        if (IsSearching)
            _ = ReloadAsync(changed);
    }

    public void Dispose()
    {
        settings.Changed -= _reload;
        _timer?.Dispose();
        _stopping.Cancel();
        _stopping.Dispose();
    }

    private async Task ReloadAsync(Action<IReadOnlyList<InstanceDefinition>> changed)
    {
        if (_stopping.IsCancellationRequested)
            return;
        var change = Interlocked.Increment(ref _changes);
        try
        {
            var definitions = await ReadAsync(_stopping.Token);
            // A newer change reads the configuration again; the older reading must not overtake it.
            if (change != Volatile.Read(ref _changes) || definitions.SequenceEqual(_last))
                return;
            _last = definitions;
            changed(definitions);
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException && _stopping.IsCancellationRequested)
        {
            // Shutdown.
        }
        catch (Exception e) when (e is InvalidOperationException or OperationCanceledException)
        {
            InstanceSourceLog.BadConfiguration(logger, e.Message);
        }
        finally
        {
            _timer?.Change(_again, Timeout.InfiniteTimeSpan);
        }
    }

    private async Task<IReadOnlyList<InstanceDefinition>> ReadAsync(CancellationToken cancellationToken)
    {
        var options = fleet.Value;
        var entries = new List<InstanceDefinition>();
        foreach (var definition in InstanceDefinitions.Read(options, []))
            entries.AddRange(await ResolveAsync(definition, cancellationToken));
        var groups = entries.Where(e => e.Discovery != InstanceDiscovery.None).ToArray();
        foreach (var discovery in discoveries)
            discovery.Keep(groups);
        // In parallel: the lookup of an unknown name is slow.
        var found = await Task.WhenAll(groups.Select(g => discoveries.First(d => d.Way == g.Discovery).FindAsync(g, cancellationToken)));

        var names = new GroupNames(entries.Except(groups));
        var definitions = entries.SelectMany(
            e => e.Discovery == InstanceDiscovery.None ? [e] : names.Name(e, found[Array.IndexOf(groups, e)].Members)).ToList();
        Volatile.Write(ref _problems, [.. found.Select(f => f.Problem).OfType<string>()]);
        IsSearching = groups.Length > 0;
        _again = groups.Any(g => g.Discovery is InstanceDiscovery.Dns or InstanceDiscovery.Srv) ? options.DiscoveryInterval : Timeout.InfiniteTimeSpan;
        return definitions;
    }

    /// <summary>Replaces a host that configuration names as a service (<c>services:ollama-1:http:0</c>, as Aspire injects it) by its endpoints.</summary>
    private async Task<IReadOnlyList<InstanceDefinition>> ResolveAsync(InstanceDefinition definition, CancellationToken cancellationToken)
    {
        var url = definition.Url;
        var isService = configuration.GetSection($"services:{url.Host}").Exists();
        if (!isService)
            return [InstanceDefinitions.Plain(definition)];

        var endpoints = (await resolver.GetEndpointsAsync(url.OriginalString, cancellationToken)).Endpoints;
        var definitions = new List<InstanceDefinition>();
        foreach (var endpoint in endpoints)
        {
            var address = AddressOf(endpoint.EndPoint, url);
            if (address.UserInfo.Length > 0)
                throw new OptionsValidationException(
                    Options.DefaultName, typeof(FleetOptions), [$"services:{url.Host}: {InstanceAddress.Mistake("@", "http://127.0.0.1:11434")}"]);
            // The service's name, if it has one server and the configuration gives no other name.
            var name = definition.Name == InstanceDefinitions.DefaultName(url, new HashSet<string>()) ? url.Host : definition.Name;
            definitions.Add(definition with { Url = address, Name = endpoints.Count == 1 ? name : $"{name}-{definitions.Count + 1}" });
        }

        return definitions;
    }

    private static Uri AddressOf(EndPoint endpoint, Uri url)
    {
        var scheme = url.Scheme.Split('+')[0];
        return endpoint switch
        {
            UriEndPoint uri => uri.Uri,
            IPEndPoint ip => new UriBuilder(scheme, ip.Address.ToString(), ip.Port == 0 ? url.Port : ip.Port).Uri,
            DnsEndPoint dns => new UriBuilder(scheme, dns.Host, dns.Port == 0 ? url.Port : dns.Port).Uri,
            _ => url,
        };
    }
}
