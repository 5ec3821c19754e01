using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;
using OllamaBridge.Gateway.Discovery;

namespace OllamaBridge.Testing.Fleet;

/// <summary>The health routes of several servers, without a socket.</summary>
internal sealed class FakeServers : HttpMessageHandler
{
    private readonly ConcurrentDictionary<string, FakeServer> _servers = new();

    public FakeServer this[string host] => _servers.GetOrAdd(host, _ => new FakeServer());

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
        this[request.RequestUri!.Host].AnswerAsync(request.RequestUri.AbsolutePath, cancellationToken);
}

/// <summary>A server with configurable models and faults.</summary>
internal sealed class FakeServer
{
    private readonly Channel<string> _arrived = Channel.CreateUnbounded<string>();

    /// <summary>The names of the models on disk, separated by blanks.</summary>
    public volatile string Models = "a";

    public volatile string Loaded = "";

    /// <summary>The digest of every model; null for none.</summary>
    public volatile string? Digest;

    public volatile bool Refuses;

    public volatile bool Hangs;

    /// <summary>Whether the list of running models gets no response, as during the load of a model.</summary>
    public volatile bool HoldsRunning;

    public volatile int Status = 200;

    /// <summary>The body of every response; null for the regular ones.</summary>
    public volatile string? Body;

    /// <summary>Delays responses with model lists until this task ends; their content is that at the time of the request. Null for no delay.</summary>
    public volatile Task? TagsHeld;

    public async Task<HttpResponseMessage> AnswerAsync(string path, CancellationToken cancellationToken)
    {
        var body = Body ?? path switch
        {
            "/api/version" => """{"version":"0.32.15"}""",
            "/api/ps" => List(Loaded, "expires_at"),
            "/api/tags" => List(Models, "modified_at", Digest),
            _ => throw new InvalidOperationException(path),
        };
        var held = path == "/api/tags" ? TagsHeld : null;
        _arrived.Writer.TryWrite(path);
        if (Refuses)
            throw new HttpRequestException("Connection refused", new SocketException((int)SocketError.ConnectionRefused));
        if (Hangs || (HoldsRunning && path == "/api/ps"))
            await Task.Delay(Timeout.Infinite, cancellationToken);
        if (held is not null)
            await held.WaitAsync(cancellationToken);
        return new HttpResponseMessage((HttpStatusCode)Status) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) };
    }

    /// <summary>Waits for the next request with a path.</summary>
    public async Task AskedAsync(string path, CancellationToken cancellationToken)
    {
        while (await _arrived.Reader.ReadAsync(cancellationToken) != path)
        {
            // Other paths are ignored.
        }
    }

    /// <summary>Forgets earlier requests.</summary>
    public void Forget()
    {
        while (_arrived.Reader.TryRead(out _))
        {
            // Empties the queue.
        }
    }

    private static string List(string names, string time, string? digest = null) => $$"""{"models":[{{string.Join(',', names
        .Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(n => $$"""{"name":"{{n}}"{{(digest is null ? "" : $",\"digest\":\"{digest}\"")}},"{{time}}":"2026-11-23T21:10:21.414444575Z"}"""))}}]}""";
}

/// <summary>A list of instances that a test changes.</summary>
internal sealed class FakeSource(params string[] names) : IInstanceSource
{
    private Action<IReadOnlyList<InstanceDefinition>>? _changed;

    public static InstanceDefinition Definition(string name, int slots = 1) => new(name, new Uri($"http://{name}"), slots, 0);

    public Task<IReadOnlyList<InstanceDefinition>> ListAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<InstanceDefinition>>([.. names.Select(n => Definition(n))]);

    public void Watch(Action<IReadOnlyList<InstanceDefinition>> changed) => _changed = changed;

    public void Change(params InstanceDefinition[] definitions) => _changed!(definitions);
}
