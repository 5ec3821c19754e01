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

    private static readonly string[] UrlKeys = ["urls", "http_ports", "https_ports", "Kestrel:Endpoints"];

    /// <summary>Sets Kestrel up.</summary>
    public static void ConfigureGatewayServer(this IWebHostBuilder web, IConfiguration configuration)
    {
        if (!UrlKeys.Any(key => configuration.GetSection(key).Exists()))
            web.UseUrls(DefaultUrl);
        web.ConfigureKestrel(kestrel =>
        {
            kestrel.ConfigureEndpointDefaults(static listen => listen.Use(RejectionWriter.Middleware));
            kestrel.AddServerHeader = false; // a real server sends none
            // The bridge waits for tokens, its clients wait for the bridge: neither side's silence is an error.
            kestrel.Limits.MinResponseDataRate = null;
            // Byte for byte, as they came: no client's and no server's header fails for its encoding.
            kestrel.RequestHeaderEncodingSelector = static _ => Encoding.Latin1;
            kestrel.ResponseHeaderEncodingSelector = static _ => Encoding.Latin1;
        });
        web.ConfigureServices(services => services.AddOptions<KestrelServerOptions>().Configure<IOptions<LimitOptions>>(
            (kestrel, limits) =>
            {
                kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(limits.Value.MinBodyRate, limits.Value.BodyGracePeriod);
                kestrel.Limits.MaxRequestHeadersTotalSize = limits.Value.MaxHeaderBytes;
                kestrel.Limits.MaxRequestHeaderCount = limits.Value.MaxHeaderFields;
                // Kestrel wants room for all of them in its buffer.
                kestrel.Limits.MaxRequestBufferSize = Math.Max(kestrel.Limits.MaxRequestBufferSize ?? 0, limits.Value.MaxHeaderBytes);
            }));
    }
}
