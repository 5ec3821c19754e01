using System.Text;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway;

internal static class GatewayServer
{
    /// <summary>The default address: a port near Ollama's own, on this machine only.</summary>
    public const string DefaultUrl = "http://127.0.0.1:11400";

    // Kestrel requires a period longer than its heartbeat.
    private static readonly TimeSpan MinGracePeriod = TimeSpan.FromMilliseconds(1001);
    private static readonly string[] UrlKeys = ["urls", "http_ports", "https_ports", "Kestrel:Endpoints"];

    // High enough that only Kestrel's grace period matters. With a lower rate each byte written earlier would extend the time: the content of
    // a connection's buffers (megabytes) would be worth an hour.
    private const double AnyRate = 1e15;

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
                // HTTP/1.1 only, as Ollama. With HTTPS Kestrel would offer HTTP/2, for which the limits on slow clients differ.
                listen.Protocols = HttpProtocols.Http1;
            });
            kestrel.AddServerHeader = false; // a real server sends none
            // Latin-1 keeps header values byte for byte: no client's or server's header fails because of its encoding.
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
                    // Kestrel is configured before all options are validated: the validation reports this error together with all others.
                    return;
                }

                kestrel.Limits.MaxRequestHeadersTotalSize = limits.MaxHeaderBytes;
                // Kestrel requires a buffer at least as large as the header limit.
                kestrel.Limits.MaxRequestBufferSize = Math.Max(kestrel.Limits.MaxRequestBufferSize ?? 0, limits.MaxHeaderBytes);
                Apply(kestrel, limits);
            }));
    }

    /// <summary>Sets the limits that Kestrel reads for each request.</summary>
    public static void Apply(KestrelServerOptions kestrel, LimitOptions limits)
    {
        kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(limits.MinBodyRate, limits.BodyGracePeriod);
        kestrel.Limits.MaxRequestHeaderCount = limits.MaxHeaderFields;
        // Counts only while a write waits for the client, not between two tokens. YARP writes at most 64 KiB at a time.
        var slow = limits.SlowClientTimeout;
        kestrel.Limits.MinResponseDataRate = new MinDataRate(AnyRate, slow > MinGracePeriod ? slow : MinGracePeriod);
    }
}
