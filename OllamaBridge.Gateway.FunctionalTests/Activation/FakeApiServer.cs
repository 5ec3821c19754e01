using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace OllamaBridge.Gateway.FunctionalTests.Activation;

/// <summary>The scale subresource of a Kubernetes API server, for one StatefulSet or Deployment, on a real socket.</summary>
internal sealed class FakeApiServer : IAsyncDisposable
{
    private const string Bearer = "a-canary-of-a-token";
    private readonly WebApplication _app;
    private readonly Lock _lock = new();
    private readonly string _config = Path.Combine(Path.GetTempPath(), $"kubeconfig-{Guid.NewGuid():N}");
    private readonly List<string> _asked = [];
    private int _replicas;
    private int _version = 100;

    private FakeApiServer(string path)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        _app = builder.Build();
        _app.Run(context => AnswerAsync(context, path));
    }

    /// <summary>The path of a kubeconfig file for this server.</summary>
    public string KubeConfig => _config;

    /// <summary>Called after the number of replicas has changed and before the response.</summary>
    public Func<int, Task> Scaled { get; set; } = _ => Task.CompletedTask;

    /// <summary>The status of every response; null for normal operation.</summary>
    public HttpStatusCode? Status { get; set; }

    /// <summary>A task that every response waits for; null for none.</summary>
    public Task? Held { get; set; }

    /// <summary>Called for a received patch before it is applied, to simulate a concurrent change.</summary>
    public Action? BeforePatch { get; set; }

    public int Replicas => Volatile.Read(ref _replicas);

    /// <summary>The requests: <c>GET</c>, or <c>PATCH</c> with the number of replicas.</summary>
    public IReadOnlyList<string> Asked
    {
        get
        {
            lock (_lock)
                return [.. _asked];
        }
    }

    public int Patches => Asked.Count(a => a.StartsWith("PATCH", StringComparison.Ordinal));

    public static async Task<FakeApiServer> StartAsync(string path = "/apis/apps/v1/namespaces/models/statefulsets/ollama-cold/scale")
    {
        var server = new FakeApiServer(path);
        await server._app.StartAsync(TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(server._config, $$"""
            apiVersion: v1
            kind: Config
            current-context: test
            clusters: [{ name: test, cluster: { server: "{{server._app.Urls.First()}}" } }]
            users: [{ name: test, user: { token: "{{Bearer}}" } }]
            contexts: [{ name: test, context: { cluster: test, user: test, namespace: models } }]
            """, TestContext.Current.CancellationToken);
        return server;
    }

    /// <summary>Scales as another client does.</summary>
    public void Set(int replicas)
    {
        lock (_lock)
        {
            _replicas = replicas;
            _version++;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        File.Delete(_config);
    }

    private async Task AnswerAsync(HttpContext context, string path)
    {
        var body = context.Request.Method == "PATCH" ? (await JsonNode.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted))! : null;
        var wanted = body?["spec"]?["replicas"]?.GetValue<int>();
        lock (_lock)
            _asked.Add(wanted is null ? context.Request.Method : string.Create(CultureInfo.InvariantCulture, $"PATCH {wanted}"));
        if (Held is { } held)
            await held.WaitAsync(context.RequestAborted);
        if (wanted is not null)
            BeforePatch?.Invoke();
        if (Status is { } status)
            await WriteStatusAsync(context, (int)status, "as the test wants it");
        else if (context.Request.Headers.Authorization != $"Bearer {Bearer}")
            await WriteStatusAsync(context, 401, "Unauthorized");
        else if (context.Request.Path != path)
            await WriteStatusAsync(context, 404, "the server could not find the requested resource");
        else if (wanted is not null && context.Request.ContentType?.StartsWith("application/merge-patch+json", StringComparison.Ordinal) != true)
            await WriteStatusAsync(context, 415, "no merge patch");
        else if (!Change(wanted, body?["metadata"]?["resourceVersion"]?.GetValue<string>(), out var changed))
            await WriteStatusAsync(context, 409, "the object has been modified");
        else
        {
            if (changed)
                await Scaled(wanted!.Value);
            await context.Response.WriteAsJsonAsync(new JsonObject
            {
                ["kind"] = "Scale",
                ["apiVersion"] = "autoscaling/v1",
                ["metadata"] = new JsonObject { ["name"] = "ollama-cold", ["namespace"] = "models", ["resourceVersion"] = $"{Volatile.Read(ref _version)}" },
                // Go's JSON encoder omits zero values.
                ["spec"] = Replicas == 0 ? [] : new JsonObject { ["replicas"] = Replicas },
                ["status"] = new JsonObject { ["replicas"] = Replicas, ["selector"] = "app=ollama-cold" },
            });
        }
    }

    private bool Change(int? wanted, string? version, out bool changed)
    {
        lock (_lock)
        {
            changed = false;
            if (wanted is null)
                return true;
            if (version != $"{_version}")
                return false;
            changed = _replicas != wanted;
            if (changed)
                _version++;
            _replicas = wanted.Value;
            return true;
        }
    }

    private static Task WriteStatusAsync(HttpContext context, int status, string message)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsJsonAsync(new JsonObject
        {
            ["kind"] = "Status",
            ["apiVersion"] = "v1",
            ["status"] = "Failure",
            ["message"] = message,
            ["code"] = status,
        });
    }
}
