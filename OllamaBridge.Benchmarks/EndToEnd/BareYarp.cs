using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Forwarding;
using Yarp.ReverseProxy.Forwarder;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>
/// The baseline: YARP's forwarder with round robin and nothing else. It has no telemetry, no routing and does not read bodies. Its HTTP handler
/// for the instances, its log levels and its garbage collector are those of the gateway.
/// </summary>
internal static class BareYarp
{
    public const string Command = "serve-yarp";

    /// <summary>Runs the server until the parent process ends, and announces its address as soon as it listens.</summary>
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
