using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace OllamaBridge.Simulator.Hosting;

/// <summary>Configures Kestrel like Go's HTTP server for Ollama: HTTP/1.1 only, no Server header, no limits on size or speed.</summary>
internal static class KestrelSettings
{
    public static KestrelServerOptions For(SimulatorOptions options)
    {
        var settings = new KestrelServerOptions
        {
            AddServerHeader = false,
            AllowSynchronousIO = false,
            ApplicationServices = new ServiceCollection().BuildServiceProvider(),
        };
        // Go's http.DefaultMaxHeaderBytes; Go does not limit the number of fields.
        settings.Limits.MaxRequestHeadersTotalSize = 1024 * 1024;
        settings.Limits.MaxRequestHeaderCount = 100_000;
        settings.Limits.MaxRequestBodySize = null;
        settings.Limits.MinRequestBodyDataRate = null;
        settings.Limits.MinResponseDataRate = null;
        settings.Limits.KeepAliveTimeout = TimeSpan.FromHours(1);
        settings.Limits.RequestHeadersTimeout = TimeSpan.FromHours(1);
        settings.Listen(options.Address, options.Port, listen =>
        {
            listen.Protocols = HttpProtocols.Http1;
            listen.Use(next => connection => OldHttp.OnConnectionAsync(next, connection));
        });
        return settings;
    }
}
