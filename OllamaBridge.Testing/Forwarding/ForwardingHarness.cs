using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Settings;
using OllamaBridge.Gateway.Shutdown;
using OllamaBridge.Gateway.State;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Scheduling;
using Yarp.ReverseProxy.Forwarder;

namespace OllamaBridge.Testing.Forwarding;

/// <summary>The gateway's own services from the queue to the forwarder, over a test fleet and scripted instances. Uses no socket and no real time.</summary>
internal sealed class ForwardingHarness : IAsyncDisposable
{
    private readonly ServiceProvider _services;
    private readonly ServiceProvider _forwarding = new ServiceCollection().AddLogging().AddHttpForwarder().BuildServiceProvider();
    private readonly List<ReplayableBody> _bodies = [];

    /// <param name="builder">The fleet.</param>
    /// <param name="settings">Settings by their keys in the section <c>Bridge</c>.</param>
    public ForwardingHarness(FleetBuilder builder, params (string Key, string Value)[] settings)
    {
        Builder = builder;
        Fleet.Publish(builder.Build());
        var client = new HttpMessageInvoker(Instances);
        var services = new ServiceCollection();
        services.AddLogging().AddMetrics();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Select(s => KeyValuePair.Create<string, string?>("Bridge:" + s.Key, s.Value)))
            .Build());
        services.AddSingleton<TimeProvider>(Clock).AddSingleton(new Random(1));
        services.AddSingleton<IHostApplicationLifetime, FakeLifetime>();
        services.AddCatalog().AddQuotas().AddQueue().AddFleet().AddRegions().AddScheduling().AddForwarding().AddResumption().AddShutdown();
        services.AddSingleton<IFleet>(Fleet);
        services.AddSingleton<IQuotaStore>(new QuotaStore(
            new MemoryQuotaShares(Clock), "alone", Options.Create(new SharingOptions()), Clock, NullLogger<QuotaStore>.Instance));
        services.AddSingleton(client);
        services.AddKeyedSingleton(InstanceClients.Fresh, client);
        services.AddSingleton<IHttpForwarder>(new ScriptedForwarder(_forwarding.GetRequiredService<IHttpForwarder>(), client));
        _services = services.BuildServiceProvider();
        Assert.Empty(Get<BridgeSettings>().Mistakes);
    }

    public FakeTimeProvider Clock { get; } = new(FleetBuilder.Day);

    public FakeFleet Fleet { get; } = new();

    public FleetBuilder Builder { get; }

    public ScriptedInstances Instances { get; } = new();

    public T Get<T>()
        where T : notnull => _services.GetRequiredService<T>();

    /// <summary>Creates a request for the model <c>a</c> with a buffered body.</summary>
    /// <param name="path">Its route.</param>
    /// <param name="body">Its body, in JSON.</param>
    /// <param name="stream">Whether the client requests a stream; null for the route's default.</param>
    /// <param name="target">The instances that may serve it; null for all.</param>
    /// <param name="model">The canonical name of its model.</param>
    public async Task<ForwardedCall> CallAsync(
        string path = "/api/chat", string body = """{"model":"a"}""", bool? stream = null, ForwardingTarget? target = null, string model = "a:latest")
    {
        var buffered = await ReplayableBody.ReadAsync(new MemoryStream(Encoding.UTF8.GetBytes(body)), null, 1 << 20, CancellationToken.None);
        _bodies.Add(buffered!);
        var facts = new RequestFacts { Model = "a", IsPlain = true, Stream = stream };
        var wait = new QueueWait { RoomUntil = Clock.GetTimestamp() + Clock.TimestampFrequency * 60 };
        return TestCalls.Create(path, model, facts, buffered, target: target, wait: wait);
    }

    /// <summary>Creates the HTTP request of a call.</summary>
    public static DefaultHttpContext Context(ForwardedCall call, string path = "/api/chat")
    {
        var context = new DefaultHttpContext();
        (context.Request.Method, context.Request.Path, context.Request.Protocol) = ("POST", path, "HTTP/1.1");
        context.Request.ContentType = "application/json";
        context.Response.Body = new MemoryStream();
        context.Features.Set(call);
        return context;
    }

    /// <summary>Creates an attempt on an instance, as a feature of the request.</summary>
    /// <param name="context">The request.</param>
    /// <param name="instance">The name of the instance.</param>
    /// <param name="mayRetry">Whether another attempt is allowed.</param>
    /// <param name="race">The race of a hedged request; else null.</param>
    /// <param name="plan">The plan of a resumption; else null.</param>
    /// <param name="faults">The request's earlier failures; null for none.</param>
    public ForwardAttempt Attempt(
        HttpContext context, string instance, bool mayRetry = true, HedgeRace? race = null, ResumptionPlan? plan = null, FailedAttempts? faults = null)
    {
        var call = context.Features.Get<ForwardedCall>()!;
        var lease = Deciding.Take(Builder, instance, "a", Clock);
        var attempt = TestCalls.Attempt(
            call, lease, Clock, mayRetry ? Get<RetryBudget>() : null, race: race, plan: plan, faults: faults ?? Get<FaultRecorder>().Begin(call));
        context.Features.Set(attempt);
        return attempt;
    }

    /// <summary>Sends a request until an instance responds.</summary>
    /// <returns>The attempt whose response broke off and can be resumed; null if the request is finished.</returns>
    public Task<ForwardAttempt?> RunAsync(HttpContext context, ForwardedCall call) =>
        Get<AttemptLoop>().RunAsync(context, call, Get<FaultRecorder>().Begin(call));

    /// <summary>The body that the client has received.</summary>
    public static string Sent(HttpContext context) => Encoding.UTF8.GetString(((MemoryStream)context.Response.Body).ToArray());

    public async ValueTask DisposeAsync()
    {
        _bodies.ForEach(b => b.Dispose());
        await _services.DisposeAsync();
        await _forwarding.DisposeAsync();
    }

    /// <summary>YARP's forwarder with one client for all requests.</summary>
    private sealed class ScriptedForwarder(IHttpForwarder forwarder, HttpMessageInvoker client) : IHttpForwarder
    {
        public ValueTask<ForwarderError> SendAsync(
            HttpContext context, string destinationPrefix, HttpMessageInvoker httpClient, ForwarderRequestConfig requestConfig, HttpTransformer transformer) =>
            forwarder.SendAsync(context, destinationPrefix, client, requestConfig, transformer);

        public ValueTask<ForwarderError> SendAsync(
            HttpContext context,
            string destinationPrefix,
            HttpMessageInvoker httpClient,
            ForwarderRequestConfig requestConfig,
            HttpTransformer transformer,
            CancellationToken cancellationToken) =>
            forwarder.SendAsync(context, destinationPrefix, client, requestConfig, transformer, cancellationToken);
    }
}
