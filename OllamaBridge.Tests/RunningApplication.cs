using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;
using Microsoft.Extensions.DependencyInjection;
using OllamaBridge.Hosting;

namespace OllamaBridge.Tests;

/// <summary>The application as <c>dotnet run</c> starts it, with simulators, the embedded state and the dashboard. All tests of a class share it.</summary>
public sealed class RunningApplication : IAsyncLifetime
{
    internal const string Model = "deepseek-r1:7b";
    internal const string ColdInstance = "ollama-cold-1";

    /// <summary>The clients' API key: the value of the parameter <c>bridge-key</c>.</summary>
    internal const string ClientKey = "ob-0123456789ab-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    private const string DashboardKey = "only-for-this-test-run";
    internal static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
    private readonly string _data = Directory.CreateTempSubdirectory("ollamabridge-state-").FullName;
    private DistributedApplication? _app;

    internal HttpClient Bridge { get; private set; } = null!;

    /// <summary>A client of the admin endpoint, with the operator's key.</summary>
    internal HttpClient Admin { get; private set; } = null!;

    internal HttpClient Dashboard { get; private set; } = null!;

    internal DistributedApplication App => _app!;

    internal BridgeModel Fleet => App.Services.GetRequiredService<DistributedApplicationModel>().Resources.OfType<IOllamaBridgeResource>().Single().Fleet;

    public async ValueTask InitializeAsync()
    {
        if (Orchestrator.Missing is not null)
            return;
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.OllamaBridge_AppHost>(
            ["--Fleet:Backend=Simulator", "--Fleet:State=Embedded", "--Fleet:Instances=3", $"--Fleet:Models={Model}",
                "--Fleet:Tiers:cold:Models=deepseek-r1:70b", "--Fleet:Tiers:cold:ExplicitStart=true", "--Fleet:RequireKey=true",
                $"--OllamaBridge:DataFolder={_data}", $"--Parameters:bridge-key={ClientKey}",
                $"--AppHost:DashboardApiKey={DashboardKey}", Apps.Quiet],
            (options, _) =>
            {
                options.DisableDashboard = false;
                options.EnableResourceLogging = false;
            },
            TestContext.Current.CancellationToken);
        _app = await builder.BuildAsync(TestContext.Current.CancellationToken);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Patience);
        await _app.StartAsync(patience.Token);
        foreach (var name in new[] { "state", "ollama-1", "ollama-2", "ollama-3", "bridge", "aspire-dashboard" })
            await _app.ResourceNotifications.WaitForResourceHealthyAsync(name, patience.Token);
        var key = await Fleet.OperatorKey!.GetValueAsync(patience.Token);
        Bridge = CreateClient(BridgeModel.HttpEndpoint);
        Admin = CreateClient(BridgeModel.AdminEndpointName);
        Dashboard = _app.CreateHttpClient("aspire-dashboard");
        Dashboard.DefaultRequestHeaders.Add("x-api-key", DashboardKey);
        await UntilAsync(
            async () => (await InstancesAsync()).All(i => i["state"]!.GetValue<string>() == "healthy" || i["name"]!.GetValue<string>() == ColdInstance),
            "the bridge reports all instances as healthy");

        HttpClient CreateClient(string endpoint)
        {
            var client = _app.CreateHttpClient("bridge", endpoint);
            client.Timeout = Patience;
            client.DefaultRequestHeaders.Authorization = new("Bearer", key);
            return client;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
            await _app.DisposeAsync();
        Directory.Delete(_data, recursive: true);
    }

    internal async Task<IReadOnlyList<JsonNode>> InstancesAsync() =>
        [.. (await Admin.GetFromJsonAsync<JsonArray>("/bridge/instances", TestContext.Current.CancellationToken))!.Select(i => i!)];

    internal async Task<JsonNode> InstanceAsync(string name) => (await InstancesAsync()).Single(i => i["name"]!.GetValue<string>() == name);

    /// <summary>The state of a resource in the dashboard.</summary>
    internal string? StateOf(string resource) =>
        App.ResourceNotifications.TryGetCurrentState(resource, out var current) ? current.Snapshot.State?.Text : null;

    /// <summary>The names of a resource's enabled commands.</summary>
    internal IEnumerable<string> EnabledCommandsOf(string resource) =>
        App.ResourceNotifications.TryGetCurrentState(resource, out var current)
            ? current.Snapshot.Commands.Where(c => c.State == ResourceCommandState.Enabled).Select(c => c.Name)
            : [];

    /// <summary>Kills the process of an instance with SIGKILL.</summary>
    internal void Kill(string resource)
    {
        Assert.True(App.ResourceNotifications.TryGetCurrentState(resource, out var current));
        var pid = Assert.IsType<int>(current!.Snapshot.Properties.Single(p => p.Name == "executable.pid").Value);
        using var process = System.Diagnostics.Process.GetProcessById(pid);
        process.Kill(entireProcessTree: true);
    }

    /// <summary>Sends a chat request and returns the response with its headers.</summary>
    internal Task<HttpResponseMessage> ChatAsync(string text = "Why is the sky blue?", string? traceParent = null, int tokens = 6, bool stream = false)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/api/chat")
        {
            Content = JsonContent.Create(new
            {
                model = Model,
                messages = new[] { new { role = "user", content = text } },
                stream,
                think = false,
                options = new { num_predict = tokens },
            }),
        };
        if (traceParent is not null)
            request.Headers.Add("traceparent", traceParent);
        return Bridge.SendAsync(request, TestContext.Current.CancellationToken);
    }

    internal Task<ExecuteCommandResult> CommandAsync(string resource, string command, params (string Name, string Value)[] arguments) =>
        App.Services.GetRequiredService<ResourceCommandService>().ExecuteCommandAsync(
            App.Services.GetRequiredService<DistributedApplicationModel>().Resources.Single(r => r.Name == resource),
            command,
            new InteractionInputCollection([.. arguments.Select(a => new InteractionInput { Name = a.Name, InputType = InputType.Text, Value = a.Value })]),
            TestContext.Current.CancellationToken);

    /// <summary>Polls a condition that raises no event, until it holds or a deadline passes.</summary>
    internal static Task UntilAsync(Func<Task<bool>> condition, string what) => UntilAsync(condition, () => what);

    /// <summary>Polls like the overload, with a description that is built only if the condition never holds.</summary>
    internal static async Task UntilAsync(Func<Task<bool>> condition, Func<string> what)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Patience);
        try
        {
            while (!await condition())
                await timer.WaitForNextTickAsync(patience.Token);
        }
        catch (OperationCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
        {
            Assert.Fail($"the condition never held: {what()}");
        }
    }
}
