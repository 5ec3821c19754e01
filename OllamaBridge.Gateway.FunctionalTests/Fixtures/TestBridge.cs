using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Fixtures;

/// <summary>The real gateway on a real socket, in front of simulators.</summary>
internal sealed class TestBridge : IAsyncDisposable
{
    private readonly Factory _factory;

    private TestBridge(Factory factory)
    {
        _factory = factory;
        Client = new HttpClient(new SocketsHttpHandler { UseProxy = false, MaxConnectionsPerServer = 1000, MaxResponseDrainSize = 0 })
        {
            BaseAddress = Url,
            Timeout = TestTimeouts.Guard,
        };
    }

    public HttpClient Client { get; }

    public Uri Url => new(_factory.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());

    public IServiceProvider Services => _factory.Services;

    /// <summary>The setting of a port that must be known before the gateway starts.</summary>
    public const string Port = "Test:Port";

    public RequestQueue Queue => Services.GetRequiredService<RequestQueue>();

    public IFleet Fleet => Services.GetRequiredService<IFleet>();

    public ChangeableConfiguration Configuration => _factory.Configuration;

    public CapturedLogs Logs => _factory.Logs;

    /// <summary>The tenant of all further requests.</summary>
    public Tenant? Tenant
    {
        get => _factory.Tenant;
        set => _factory.Tenant = value;
    }

    /// <summary>Starts a gateway in front of servers. Further settings override the defaults of tests.</summary>
    public static Task<TestBridge> StartAsync(IReadOnlyList<SimulatedServer> servers, params (string Key, string Value)[] settings) =>
        StartAsync(servers, TimeProvider.System, settings);

    /// <summary>Starts a gateway with its own clock.</summary>
    public static Task<TestBridge> StartAsync(IReadOnlyList<SimulatedServer> servers, TimeProvider time, params (string Key, string Value)[] settings)
    {
        var all = new Dictionary<string, string?>
        {
            // Short probe intervals, so that tests don't wait for them; the queue and the time-outs keep their defaults.
            ["Bridge:Health:Interval"] = "00:00:00.1",
            ["Bridge:Health:RecoveryInterval"] = "00:00:00.1",
            ["Bridge:Health:CatalogInterval"] = "00:00:00.5",
        };
        for (var i = 0; i < servers.Count; i++)
        {
            all[$"Bridge:Instances:{i}:Url"] = servers[i].Url.ToString();
            all[$"Bridge:Instances:{i}:Name"] = $"sim-{i + 1}";
            if (servers[i].Options.Kind == SimulatorKind.OpenAI)
                all[$"Bridge:Instances:{i}:Kind"] = "OpenAI";
            all[$"Bridge:Instances:{i}:Slots"] = servers[i].Options.ParallelSlots.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        foreach (var (key, value) in settings)
            all[key] = value;
        var factory = new Factory(all, time);
        factory.UseKestrel();
        factory.StartServer();
        return Task.FromResult(new TestBridge(factory));
    }

    public Task<HttpResponseMessage> PostAsync(string path, object body, CancellationToken cancellationToken = default) =>
        Client.PostAsJsonAsync(path, body, cancellationToken);

    /// <summary>Sends a request and returns after the response's headers.</summary>
    public Task<HttpResponseMessage> OpenAsync(string path, object body, CancellationToken cancellationToken = default) =>
        Client.SendAsync(
            new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body) },
            HttpCompletionOption.ResponseHeadersRead,
            cancellationToken);

    public async Task<JsonNode> GetJsonAsync(string path, string? key = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (key is not null)
            request.Headers.Authorization = new("Bearer", key);
        using var answer = await Client.SendAsync(request);
        answer.EnsureSuccessStatusCode();
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
    }

    /// <summary>Waits until a snapshot of the fleet satisfies a condition; each new snapshot is checked.</summary>
    public async Task UntilAsync(Func<FleetSnapshot, bool> condition, string what)
    {
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        void Look()
        {
            if (condition(Fleet.Current))
                reached.TrySetResult();
        }

        Fleet.Changed += Look;
        try
        {
            Look();
            await reached.Task.WaitAsync(TestTimeouts.Guard, TestContext.Current.CancellationToken);
        }
        catch (TimeoutException)
        {
            Assert.Fail($"did not happen in time: {what}");
        }
        finally
        {
            Fleet.Changed -= Look;
        }
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _factory.DisposeAsync();
    }

    private sealed class Factory(Dictionary<string, string?> settings, TimeProvider time) : WebApplicationFactory<Program>
    {
        public ChangeableConfiguration Configuration { get; } = new(settings);

        public CapturedLogs Logs { get; } = new();

        public Tenant? Tenant { get; set; }

        protected override void ConfigureWebHost(IWebHostBuilder builder)
        {
            builder.UseEnvironment("Production");
            // Loopback only, regardless of the settings. The factory's own port is not used, because the factory sets it when the program may have
            // started already.
            builder.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, int.Parse(settings.GetValueOrDefault(TestBridge.Port) ?? "0", System.Globalization.CultureInfo.InvariantCulture)));
            builder.ConfigureAppConfiguration((_, configuration) => configuration.Add(Configuration));
            builder.ConfigureLogging(logging => logging.ClearProviders().AddProvider(Logs));
            builder.ConfigureServices(services =>
            {
                services.AddSingleton<IStartupFilter>(new RequestFilter(this));
                if (time != TimeProvider.System)
                    services.AddSingleton(time);
            });
        }
    }

    /// <summary>Lets a test set the client's address (the header <c>Test-Remote-Address</c>) and tenant.</summary>
    private sealed class RequestFilter(Factory factory) : IStartupFilter
    {
        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
        {
            app.Use((context, rest) =>
            {
                if (context.Request.Headers["Test-Remote-Address"] is [{ } address])
                    context.Connection.RemoteIpAddress = IPAddress.Parse(address);
                if (factory.Tenant is { } tenant)
                    context.Features.Set(tenant);
                return rest(context);
            });
            next(app);
        };
    }
}
