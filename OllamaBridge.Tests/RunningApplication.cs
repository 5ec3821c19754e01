using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace OllamaBridge.Tests;

/// <summary>The application as <c>dotnet run</c> starts it, with simulators, the embedded state and the dashboard. One for all tests of a class.</summary>
public sealed class RunningApplication : IAsyncLifetime
{
    internal const string Model = "deepseek-r1:7b";
    internal const string ColdInstance = "ollama-cold-1";
    private const string ApiKey = "only-for-this-test-run";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
    private DistributedApplication? _app;

    internal HttpClient Bridge { get; private set; } = null!;

    internal HttpClient Dashboard { get; private set; } = null!;

    internal DistributedApplication App => _app!;

    public async ValueTask InitializeAsync()
    {
        if (Orchestrator.Missing is not null)
            return;
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.OllamaBridge_AppHost>(
            ["--Fleet:Backend=Simulator", "--Fleet:State=Embedded", "--Fleet:Instances=3", $"--Fleet:Models={Model}",
                "--Fleet:Tiers:cold:Models=deepseek-r1:70b", "--Fleet:Tiers:cold:ExplicitStart=true", $"--AppHost:DashboardApiKey={ApiKey}", Apps.Quiet],
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
        Bridge = _app.CreateHttpClient("bridge");
        Bridge.Timeout = Patience;
        Dashboard = _app.CreateHttpClient("aspire-dashboard");
        Dashboard.DefaultRequestHeaders.Add("x-api-key", ApiKey);
        await UntilAsync(async () => (await InstancesAsync()).All(i => i["state"]!.GetValue<string>() == "healthy" || i["name"]!.GetValue<string>() == ColdInstance), "the bridge knows all instances");
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
            await _app.DisposeAsync();
    }

    internal async Task<IReadOnlyList<JsonNode>> InstancesAsync() =>
        [.. (await Bridge.GetFromJsonAsync<JsonArray>("/bridge/instances", TestContext.Current.CancellationToken))!.Select(i => i!)];

    internal async Task<JsonNode> InstanceAsync(string name) => (await InstancesAsync()).Single(i => i["name"]!.GetValue<string>() == name);

    /// <summary>Asks and returns the answer with its headers.</summary>
    internal Task<HttpResponseMessage> ChatAsync(string text = "Why is the sky blue?", string? traceParent = null, int tokens = 6)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/api/chat")
        {
            Content = JsonContent.Create(new
            {
                model = Model,
                messages = new[] { new { role = "user", content = text } },
                stream = false,
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

    /// <summary>For what no event announces: looks until it is so, within bounds.</summary>
    internal static async Task UntilAsync(Func<Task<bool>> condition, string what)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(TimeSpan.FromSeconds(60));
        try
        {
            while (!await condition())
                await timer.WaitForNextTickAsync(patience.Token);
        }
        catch (OperationCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
        {
            Assert.Fail($"never happened: {what}");
        }
    }
}
