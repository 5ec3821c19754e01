using System.Collections.Concurrent;
using System.Net;
using DnsClient;
using DnsClient.Protocol;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Discovery;

/// <summary>Finds servers by a headless Service's SRV records. Format: RFC 2782; records in Kubernetes: its DNS specification, 2.4.</summary>
internal sealed class SrvDiscovery(DnsQueries dns, IOptions<DnsOptions> options, TimeProvider time, ILogger<SrvDiscovery> logger) : IGroupDiscovery
{
    // The last known members, used while DNS is unavailable.
    private readonly ConcurrentDictionary<string, GroupFound> _last = new(StringComparer.OrdinalIgnoreCase);

    public InstanceDiscovery Way => InstanceDiscovery.Srv;

    public async Task<GroupFound> FindAsync(InstanceDefinition group, CancellationToken cancellationToken)
    {
        var key = $"{group.PortName} {group.Url}";
        var found = await TryFindAsync(group, _last.GetValueOrDefault(key)?.Members ?? [], cancellationToken);
        GroupFound? before;
        // Lookups may overlap; each outage is logged once.
        lock (_last)
        {
            before = _last.GetValueOrDefault(key);
            _last[key] = found;
        }

        if (found.Problem is null && before?.Problem is not null)
            DiscoveryLog.RecordsAgain(logger, group.Url.Host, found.Members.Count);
        else if (found.Problem is not null && before?.Problem is null)
            DiscoveryLog.NoRecords(logger, found.Problem);
        return found;
    }

    private async Task<GroupFound> TryFindAsync(InstanceDefinition group, IReadOnlyList<GroupMember> before, CancellationToken cancellationToken)
    {
        using var timeout = new LinkedTimeout(options.Value.Timeout, time, cancellationToken);
        try
        {
            return new GroupFound(await ResolveAsync(group, timeout.Token));
        }
        catch (DnsFailedException e)
        {
            return new GroupFound(before, $"DNS lookup of {group.Url.Host} failed ({e.Message})");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new GroupFound(before, $"DNS lookup of {group.Url.Host} failed (no response in time)");
        }
    }

    private async Task<IReadOnlyList<GroupMember>> ResolveAsync(InstanceDefinition group, CancellationToken cancellationToken)
    {
        var host = group.Url.Host;
        // The host is either the Service's name, or the full name of its records.
        var answer = await dns.FindAsync(host, host.StartsWith('_') ? "" : $"_{group.PortName}._tcp.", QueryType.SRV, cancellationToken);
        if (answer is null)
            return [];
        var members = new List<GroupMember>();
        foreach (var (target, port) in answer.Answers.SrvRecords().Select(r => (r.Target.Value, r.Port)).Distinct())
            if (await AddressAsync(target, answer, cancellationToken) is { } address)
            {
                var url = GroupMember.At(group.Url, address, port);
                members.Add(new GroupMember(NameOf(target, address), url, url.Authority));
            }

        return members;
    }

    /// <summary>From the additional records or from a query; null if the server is gone by then.</summary>
    private async Task<IPAddress?> AddressAsync(string target, IDnsQueryResponse answer, CancellationToken cancellationToken)
    {
        var known = answer.Additionals.AddressRecords().Where(r => string.Equals(r.DomainName.Value, target, StringComparison.OrdinalIgnoreCase)).ToArray();
        // One pod is one server, even if it has an address of each family.
        if (First(known) is { } beside)
            return beside;
        return First(await QueryAsync(QueryType.A)) ?? First(await QueryAsync(QueryType.AAAA));

        async Task<IEnumerable<AddressRecord>> QueryAsync(QueryType type) =>
            (await dns.FindAsync($"{target.TrimEnd('.')}.", "", type, cancellationToken))?.Answers.OfType<AddressRecord>() ?? [];
    }

    private static IPAddress? First(IEnumerable<AddressRecord> records) =>
        records.Select(r => r.Address).OrderBy(a => a.AddressFamily).ThenBy(a => a.ToString(), StringComparer.Ordinal).FirstOrDefault();

    /// <summary>The pod's name. For a pod without a host name the label is its address, which is not a name: null.</summary>
    private static string? NameOf(string target, IPAddress address)
    {
        var label = target.Split('.')[0];
        return label.Length == 0 || label == address.ToString().Replace('.', '-').Replace(':', '-') ? null : label;
    }
}
