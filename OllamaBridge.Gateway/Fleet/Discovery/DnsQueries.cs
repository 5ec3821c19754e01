using System.Net;
using System.Net.Sockets;
using DnsClient;
using DnsClient.Protocol;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Fleet.Discovery;

/// <summary>Nobody who could know has answered.</summary>
/// <param name="reason">What came instead, in a few words.</param>
internal sealed class DnsFailedException(string reason) : Exception(reason);

/// <summary>
/// Asks DNS so that "there is none" and "nobody knows" are kept apart: a headless Service without a ready pod has no name, and so has no record;
/// a server that is away or in trouble says nothing of the kind.
/// </summary>
internal sealed class DnsQueries(IOptions<DnsOptions> options)
{
    private const string SystemSettings = "/etc/resolv.conf";

    // It wants a server, although each question says whom it is for.
    private readonly LookupClient _client = new(IPAddress.Loopback);
    private readonly DnsOptions _options = options.Value;
    private readonly DnsQueryOptions _query = new()
    {
        UseCache = false,
        // Each server is asked here by itself: what one of them knows is not to be mixed up with another's silence.
        ContinueOnDnsError = false,
        ContinueOnEmptyResponse = false,
        UseRandomNameServer = false,
        ThrowDnsErrors = false,
        // Twice to a server that is silent, and there is still time for the next.
        Timeout = options.Value.Timeout / 5,
        Retries = 1,
    };

    /// <summary>Records of a name, as somebody wrote it.</summary>
    /// <param name="host">The name, short or full.</param>
    /// <param name="prefix">What stands before it, with its dot.</param>
    /// <param name="type">Which records.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The first answer that has some; null where it is known that there are none.</returns>
    /// <exception cref="DnsFailedException">It is not known.</exception>
    public async Task<IDnsQueryResponse?> FindAsync(string host, string prefix, QueryType type, CancellationToken cancellationToken)
    {
        DnsFailedException? failure = null;
        foreach (var name in Search().Names(host, prefix))
            try
            {
                var answer = await AskAsync(name, type, cancellationToken);
                if (answer.Answers.Any(a => a.RecordType == (ResourceRecordType)type))
                    return answer;
            }
            catch (DnsFailedException e)
            {
                // It may be one of the other names. If not, who knows.
                failure ??= e;
            }

        return failure is null ? null : throw failure;
    }

    /// <summary>The addresses of a name.</summary>
    /// <exception cref="DnsFailedException">It is not known, of one of the two kinds at least.</exception>
    public async Task<IReadOnlyList<IPAddress>> FindAddressesAsync(string host, CancellationToken cancellationToken)
    {
        var four = await FindAsync(host, "", QueryType.A, cancellationToken);
        var six = await FindAsync(host, "", QueryType.AAAA, cancellationToken);
        return
        [
            .. (four?.Answers.ARecords() ?? []).Select(a => a.Address), .. (six?.Answers.AaaaRecords() ?? []).Select(a => a.Address),
        ];
    }

    /// <summary>The first server that knows has the word: that there is no such name, too, is knowledge.</summary>
    private async Task<IDnsQueryResponse> AskAsync(string name, QueryType type, CancellationToken cancellationToken)
    {
        var failure = "no server is known";
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
                failure = e is SocketException socket ? socket.SocketErrorCode.ToString() : "the answer broke off";
            }

        throw new DnsFailedException(failure);
    }

    private IEnumerable<NameServer> Servers() => string.IsNullOrWhiteSpace(_options.Servers)
        ? NameServer.ResolveNameServers(skipIPv6SiteLocal: true, fallbackToGooglePublicDns: false)
        : DnsOptions.ReadServers(_options.Servers, out _).Select(s => new NameServer(s));

    // Read anew each time: a laptop changes its network, and the file is small.
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
