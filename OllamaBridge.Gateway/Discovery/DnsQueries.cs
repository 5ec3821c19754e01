using System.Net;
using System.Net.Sockets;
using DnsClient;
using DnsClient.Protocol;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Discovery;

/// <summary>No DNS server gave a definite result.</summary>
internal sealed class DnsFailedException(string reason) : Exception(reason);

/// <summary>Queries DNS and distinguishes missing records, as of a headless Service without a ready pod, from failures of servers.</summary>
internal sealed class DnsQueries(IOptions<DnsOptions> options)
{
    private const string SystemSettings = "/etc/resolv.conf";

    // The constructor requires a server, although each query names its own.
    private readonly LookupClient _client = new(IPAddress.Loopback);
    private readonly DnsOptions _options = options.Value;
    private readonly DnsQueryOptions _query = new()
    {
        UseCache = false,
        // Each server is queried separately, so that the result of one is not mixed with the silence of another.
        ContinueOnDnsError = false,
        ContinueOnEmptyResponse = false,
        UseRandomNameServer = false,
        ThrowDnsErrors = false,
        // Two tries for a silent server, with time left for the next server.
        Timeout = options.Value.Timeout / 5,
        Retries = 1,
    };

    /// <summary>Null if DNS has no such records. <paramref name="prefix"/> precedes the name and ends with a dot.</summary>
    /// <exception cref="DnsFailedException">The records are unknown.</exception>
    public async Task<IDnsQueryResponse?> FindAsync(string host, string prefix, QueryType type, CancellationToken cancellationToken)
    {
        DnsFailedException? failure = null;
        foreach (var name in Search().Names(host, prefix))
            try
            {
                var answer = await SendAsync(name, type, cancellationToken);
                if (answer.Answers.Any(a => a.RecordType == (ResourceRecordType)type))
                    return answer;
            }
            catch (DnsFailedException e)
            {
                // Another name of the search list may have records. If none has, the result is unknown.
                failure ??= e;
            }

        return failure is null ? null : throw failure;
    }

    /// <exception cref="DnsFailedException">The records of at least one address family are unknown.</exception>
    public async Task<IReadOnlyList<IPAddress>> FindAddressesAsync(string host, CancellationToken cancellationToken)
    {
        var four = await FindAsync(host, "", QueryType.A, cancellationToken);
        var six = await FindAsync(host, "", QueryType.AAAA, cancellationToken);
        return
        [
            .. (four?.Answers.ARecords() ?? []).Select(a => a.Address), .. (six?.Answers.AaaaRecords() ?? []).Select(a => a.Address),
        ];
    }

    /// <summary>Returns the result of the first server that gives a definite one; a missing name is definite.</summary>
    private async Task<IDnsQueryResponse> SendAsync(string name, QueryType type, CancellationToken cancellationToken)
    {
        var failure = "no DNS server is configured";
        foreach (var server in Servers())
            try
            {
                var answer = await _client.QueryServerAsync([server], new DnsQuestion(name, type), _query, cancellationToken);
                if (answer.Header.ResponseCode is DnsHeaderResponseCode.NoError or DnsHeaderResponseCode.NotExistentDomain)
                    return answer;
                failure = answer.Header.ResponseCode.ToString();
            }
            catch (DnsResponseException e)
            {
                failure = e.Code.ToString();
            }
            catch (Exception e) when (e is SocketException or IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                failure = e is SocketException socket ? socket.SocketErrorCode.ToString() : "no complete response";
            }

        throw new DnsFailedException(failure);
    }

    private IEnumerable<NameServer> Servers() => string.IsNullOrWhiteSpace(_options.Servers)
        ? NameServer.ResolveNameServers(skipIPv6SiteLocal: true, fallbackToGooglePublicDns: false)
        : DnsOptions.ReadServers(_options.Servers, out _).Select(s => new NameServer(s));

    // Read for each query: a laptop changes its network, and the file is small.
    private SearchList Search()
    {
        try
        {
            var system = File.Exists(SystemSettings) ? SearchList.Read(File.ReadAllText(SystemSettings)) : SearchList.None;
            return _options.Search is null ? system : system with { Domains = DnsOptions.Split(_options.Search) };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new SearchList(DnsOptions.Split(_options.Search));
        }
    }
}
