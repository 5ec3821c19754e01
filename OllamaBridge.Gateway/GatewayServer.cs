using System.Text;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Identity;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway;

/// <summary>How the gateway listens.</summary>
internal static class GatewayServer
{
    /// <summary>Where it listens unless told: beside Ollama's own port, on this machine only.</summary>
    public const string DefaultUrl = "http://127.0.0.1:11400";

    // Kestrel takes none that is not longer than its heartbeat.
    private static readonly TimeSpan MinGracePeriod = TimeSpan.FromMilliseconds(1001);
    private static readonly string[] UrlKeys = ["urls", "http_ports", "https_ports", "Kestrel:Endpoints"];

    // So high that Kestrel's grace period alone counts. With a lower rate each byte written earlier would earn time: what fits into the
    // buffers of a connection (megabytes) would be worth an hour.
    private const double AnyRate = 1e15;

    /// <summary>Sets Kestrel up.</summary>
    public static void ConfigureGatewayServer(this IWebHostBuilder web, IConfigurationManager configuration)
    {
        if (!UrlKeys.Any(key => configuration.GetSection(key).Exists()))
            web.UseUrls(DefaultUrl);
        Admin.AdminListener.Listen(web, configuration, DefaultUrl);
        web.ConfigureKestrel(kestrel =>
        {
            kestrel.ConfigureEndpointDefaults(static listen =>
            {
                listen.Use(RejectionWriter.Middleware);
                // As a real server. With HTTPS Kestrel would offer HTTP/2, for which the limits on slow clients are not the same.
                listen.Protocols = HttpProtocols.Http1;
            });
            kestrel.AddServerHeader = false; // a real server sends none
            // Byte for byte, as they came: no client's and no server's header fails for its encoding.
            kestrel.RequestHeaderEncodingSelector = static _ => Encoding.Latin1;
            kestrel.ResponseHeaderEncodingSelector = static _ => Encoding.Latin1;
        });
        web.ConfigureServices(services => services.AddOptions<KestrelServerOptions>().Configure<IOptions<LimitOptions>>(
            static (kestrel, options) =>
            {
                LimitOptions limits;
                try
                {
                    limits = options.Value;
                }
                catch (OptionsValidationException)
                {
                    // The server is made before all options are validated: then this is told together with all other mistakes.
                    return;
                }

                kestrel.Limits.MaxRequestHeadersTotalSize = limits.MaxHeaderBytes;
                // Kestrel wants room for all of them in its buffer.
                kestrel.Limits.MaxRequestBufferSize = Math.Max(kestrel.Limits.MaxRequestBufferSize ?? 0, limits.MaxHeaderBytes);
                Apply(kestrel, limits);
            }));
    }

    /// <summary>Sets the limits that Kestrel reads for each request.</summary>
    public static void Apply(KestrelServerOptions kestrel, LimitOptions limits)
    {
        kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(limits.MinBodyRate, limits.BodyGracePeriod);
        kestrel.Limits.MaxRequestHeaderCount = limits.MaxHeaderFields;
        // Counts only while a write waits for the client, not in the silence between two tokens. YARP writes 64 KiB at a time, at most.
        var slow = limits.SlowClientTimeout;
        kestrel.Limits.MinResponseDataRate = new MinDataRate(AnyRate, slow > MinGracePeriod ? slow : MinGracePeriod);
    }
}
