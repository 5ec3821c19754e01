using System.Collections.Concurrent;
using System.Net;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using k8s;

namespace OllamaBridge.Gateway.FunctionalTests.Discovery;

/// <summary>
/// A partial Kubernetes API server on a real socket: collections of objects that are listed and watched, and any further routes of a test. On
/// demand it returns errors, stops responding, closes connections and forgets its history.
/// </summary>
internal sealed class FakeApiServer : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, SortedDictionary<string, JsonNode>> _collections = [];
    private readonly List<(long Version, string Collection, string Kind, JsonNode Object)> _history = [];
    private readonly List<FakeWatch> _watches = [];
    private readonly ConcurrentQueue<string> _requests = new();
    private readonly ConcurrentDictionary<string, Func<HttpContext, Task>> _routes = new();
    private readonly string _kubeConfig = Path.GetTempFileName();
    private readonly WebApplication _app;
    private volatile TaskCompletionSource _speaks = new();
    private long _version = 100;
    private long _forgotten;

    private FakeApiServer(WebApplication app) => _app = app;

    public Uri Url { get; private set; } = null!;

    /// <summary>The path of a kubeconfig file for this server; the namespace of its context is <c>ai</c>.</summary>
    public string KubeConfig => _kubeConfig;

    /// <summary>All requests: method, path and query.</summary>
    public IReadOnlyCollection<string> Requests => _requests;

    /// <summary>The status of every response; null for normal operation.</summary>
    public HttpStatusCode? Refuses { get; set; }

    /// <summary>If true, the server accepts requests but does not respond until the value is false.</summary>
    public bool IsSilent
    {
        get => !_speaks.Task.IsCompleted;
        set
        {
            if (value)
                _speaks = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            else
                _speaks.TrySetResult();
        }
    }

    /// <summary>If true, the server closes the connection of every request.</summary>
    public bool IsAway { get; set; }

    /// <summary>The number of open watches.</summary>
    public int Watches
    {
        get
        {
            lock (_lock)
                return _watches.Count;
        }
    }

    public static async Task<FakeApiServer> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var app = builder.Build();
        var server = new FakeApiServer(app) { IsSilent = false };
        app.Run(server.AnswerAsync);
        await app.StartAsync(TestContext.Current.CancellationToken);
        server.Url = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        await WriteKubeConfigAsync(server._kubeConfig, server.Url);
        return server;
    }

    /// <summary>Writes a kubeconfig file for an address.</summary>
    public static Task WriteKubeConfigAsync(string path, Uri server) => File.WriteAllTextAsync(path, $$"""
        apiVersion: v1
        kind: Config
        clusters: [ { name: fake, cluster: { server: "{{server}}" } } ]
        users: [ { name: bridge, user: { token: secret-token } } ]
        contexts: [ { name: fake, context: { cluster: fake, user: bridge, namespace: ai } } ]
        current-context: fake
        """);

    /// <summary>Adds a route, which takes precedence over all others.</summary>
    public void On(string method, string path, Func<HttpContext, Task> answer) => _routes[$"{method} {path}"] = answer;

    /// <summary>Creates an object, or replaces the one with the same name.</summary>
    /// <param name="collection">For example <c>/apis/discovery.k8s.io/v1/namespaces/ai/endpointslices</c>.</param>
    /// <param name="value">A model class of KubernetesClient, or JSON.</param>
    public void Put(string collection, object value)
    {
        var node = value as JsonNode ?? JsonNode.Parse(KubernetesJson.Serialize(value))!;
        lock (_lock)
        {
            var name = node["metadata"]!["name"]!.GetValue<string>();
            var objects = Objects(collection);
            var kind = objects.ContainsKey(name) ? "MODIFIED" : "ADDED";
            node["metadata"]!["resourceVersion"] = $"{++_version}";
            objects[name] = node;
            Tell(collection, kind, node);
        }
    }

    public void Delete(string collection, string name)
    {
        lock (_lock)
        {
            if (!Objects(collection).Remove(name, out var node))
                return;
            node = node.DeepClone();
            node["metadata"]!["resourceVersion"] = $"{++_version}";
            Tell(collection, "DELETED", node);
        }
    }

    /// <summary>Sends the newest resource version to all watches, without an event.</summary>
    public void SendBookmarks()
    {
        lock (_lock)
        {
            _version++;
            foreach (var watch in _watches)
                watch.Lines.Writer.TryWrite(Line("BOOKMARK", new JsonObject
                {
                    ["kind"] = "EndpointSlice",
                    ["apiVersion"] = "discovery.k8s.io/v1",
                    ["metadata"] = new JsonObject { ["resourceVersion"] = $"{_version}" },
                }));
        }
    }

    /// <summary>Ends the watches as an API server does at their timeout.</summary>
    public void EndWatches()
    {
        lock (_lock)
            foreach (var watch in _watches)
                watch.Lines.Writer.TryComplete();
    }

    /// <summary>Aborts the watches' connections.</summary>
    public void CutWatches()
    {
        lock (_lock)
            foreach (var watch in _watches)
                watch.Context.Abort();
    }

    /// <summary>Makes all resource versions up to now too old for a watch.</summary>
    /// <param name="tell">Whether open watches receive the error.</param>
    public void ForgetHistory(bool tell = true)
    {
        lock (_lock)
        {
            _history.Clear();
            _forgotten = ++_version;
            foreach (var watch in tell ? _watches : [])
                watch.Lines.Writer.TryWrite(TooOld());
        }
    }

    public async ValueTask DisposeAsync()
    {
        EndWatches();
        using var now = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
        File.Delete(_kubeConfig);
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var request = context.Request;
        _requests.Enqueue($"{request.Method} {request.Path}{request.QueryString}");
        await _speaks.Task.WaitAsync(context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (IsAway || context.RequestAborted.IsCancellationRequested)
        {
            context.Abort();
        }
        else if (Refuses is { } status)
        {
            await WriteStatusAsync(context, (int)status, "Refused");
        }
        else if (_routes.TryGetValue($"{request.Method} {request.Path}", out var route))
        {
            await route(context);
        }
        else if (request.Query["watch"] == "true")
        {
            await WatchAsync(context);
        }
        else
        {
            await ReadAsync(context);
        }
    }

    private async Task ReadAsync(HttpContext context)
    {
        var path = context.Request.Path.Value!;
        var wanted = Selector(context);
        JsonNode? answer;
        lock (_lock)
        {
            var slash = path.LastIndexOf('/');
            // A collection without objects is empty.
            var isCollection = path.Split('/') is ["", "apis", _, _, "namespaces", _, _] or ["", "api", _, "namespaces", _, _];
            var objects = _collections.GetValueOrDefault(path, []);
            answer = isCollection || objects.Count > 0
                ? new JsonObject
                {
                    ["kind"] = "List",
                    ["apiVersion"] = "v1",
                    ["metadata"] = new JsonObject { ["resourceVersion"] = $"{_version}" },
                    ["items"] = new JsonArray([.. objects.Values.Where(wanted).Select(o => o.DeepClone())]),
                }
                : _collections.TryGetValue(path[..slash], out var parent) && parent.TryGetValue(path[(slash + 1)..], out var found)
                    ? found.DeepClone()
                    : null;
        }

        if (answer is null)
            await WriteStatusAsync(context, 404, "NotFound");
        else
            await WriteAsync(context, answer.ToJsonString());
    }

    private async Task WatchAsync(HttpContext context)
    {
        var path = context.Request.Path.Value!;
        var watch = new FakeWatch(context, path, Selector(context));
        lock (_lock)
        {
            var since = long.Parse(context.Request.Query["resourceVersion"].FirstOrDefault() ?? "0", System.Globalization.CultureInfo.InvariantCulture);
            if (since < _forgotten)
                watch.Lines.Writer.TryWrite(TooOld());
            foreach (var (version, collection, kind, node) in _history)
                if (version > since && collection == path && watch.Wanted(node))
                    watch.Lines.Writer.TryWrite(Line(kind, node));
            if (since < _forgotten)
                watch.Lines.Writer.TryComplete();
            else
                _watches.Add(watch);
        }

        try
        {
            context.Response.ContentType = "application/json";
            await context.Response.StartAsync(context.RequestAborted);
            await foreach (var line in watch.Lines.Reader.ReadAllAsync(context.RequestAborted))
            {
                await context.Response.WriteAsync(line + "\n", context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
            }
        }
        catch (OperationCanceledException)
        {
            // Either side has closed the connection.
        }
        finally
        {
            lock (_lock)
                _watches.Remove(watch);
        }
    }

    private SortedDictionary<string, JsonNode> Objects(string collection) => _collections.TryGetValue(collection, out var objects)
        ? objects
        : _collections[collection] = new SortedDictionary<string, JsonNode>(StringComparer.Ordinal);

    private void Tell(string collection, string kind, JsonNode node)
    {
        _history.Add((_version, collection, kind, node.DeepClone()));
        foreach (var watch in _watches)
            if (watch.Collection == collection && watch.Wanted(node))
                watch.Lines.Writer.TryWrite(Line(kind, node));
    }

    /// <summary>Parses a label selector; only equality is supported.</summary>
    private static Func<JsonNode, bool> Selector(HttpContext context)
    {
        var pairs = (context.Request.Query["labelSelector"].FirstOrDefault() ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries).Select(p => p.Split('=')).ToArray();
        return node => pairs.All(p => node["metadata"]!["labels"]?[p[0]]?.GetValue<string>() == p[1]);
    }

    private static string Line(string kind, JsonNode node) => new JsonObject { ["type"] = kind, ["object"] = node.DeepClone() }.ToJsonString();

    private static string TooOld() => Line("ERROR", Status(410, "Expired"));

    private static JsonObject Status(int code, string reason) => new()
    {
        ["kind"] = "Status",
        ["apiVersion"] = "v1",
        ["metadata"] = new JsonObject(),
        ["status"] = "Failure",
        ["reason"] = reason,
        ["code"] = code,
    };

    private static Task WriteStatusAsync(HttpContext context, int code, string reason)
    {
        context.Response.StatusCode = code;
        return WriteAsync(context, Status(code, reason).ToJsonString());
    }

    private static Task WriteAsync(HttpContext context, string json)
    {
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(json);
    }

    private sealed record FakeWatch(HttpContext Context, string Collection, Func<JsonNode, bool> Wanted)
    {
        public Channel<string> Lines { get; } = Channel.CreateUnbounded<string>();
    }
}
