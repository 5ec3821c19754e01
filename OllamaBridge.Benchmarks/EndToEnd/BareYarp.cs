using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Forwarding;
using Yarp.ReverseProxy.Forwarder;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>
/// The baseline: YARP's forwarder in round robin and nothing else. No telemetry, no routing, no look into bodies; the same
/// handler towards the instances, the same log levels and the same kind of garbage collector as the gateway.
/// </summary>
internal static class BareYarp
{
    /// <summary>The command of the child process.</summary>
    public const string Command = "serve-yarp";

    /// <summary>Runs it until the parent has gone; says its address once it listens.</summary>
    /// <param name="instances">Where the instances listen.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task ServeAsync(IReadOnlyList<string> instances, CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.WebHost.UseUrls("http://127.0.0.1:0").ConfigureKestrel(kestrel => kestrel.AddServerHeader = false);
        builder.Services.AddHttpForwarder();
        await using var app = builder.Build();
        using var client = InstanceClient.Create(Options.Create(new ForwardingOptions()));
        var forwarder = app.Services.GetRequiredService<IHttpForwarder>();
        var prefixes = instances.Select(i => $"http://{i}").ToArray();
        var config = new ForwarderRequestConfig { Version = System.Net.HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        var next = 0u;
        app.Run(async context => await forwarder.SendAsync(
            context, prefixes[Interlocked.Increment(ref next) % prefixes.Length], client, config, HttpTransformer.Empty));
        await app.StartAsync(cancellationToken);
        ChildServer.Announce(app.Urls.Select(u => new Uri(u)));
        await ParentWatch.WaitAsync(cancellationToken);
        await app.StopAsync(CancellationToken.None);
    }
}
