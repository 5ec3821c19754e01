using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>A collector for OTLP over HTTP that counts the received bytes and discards the data.</summary>
internal static class TelemetrySink
{
    public const string Command = "serve-telemetry";

    /// <summary>The path that returns the received bytes of <c>logs</c>, <c>metrics</c> and <c>traces</c>, one line of name and number each.</summary>
    public const string Totals = "/totals";

    private static readonly string[] Kinds = ["logs", "metrics", "traces"];

    /// <summary>Runs the server until the parent process ends, and announces its address as soon as it listens.</summary>
    public static async Task ServeAsync(CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using var app = builder.Build();
        var bytes = new long[Kinds.Length];
        for (var i = 0; i < Kinds.Length; i++)
        {
            var kind = i;
            app.MapPost($"/v1/{Kinds[i]}", async (HttpContext context) =>
            {
                var reader = context.Request.BodyReader;
                while (await reader.ReadAsync(context.RequestAborted) is var read)
                {
                    Interlocked.Add(ref bytes[kind], read.Buffer.Length);
                    reader.AdvanceTo(read.Buffer.End);
                    if (read.IsCompleted)
                        break;
                }

                // An empty OTLP response: everything was accepted.
                context.Response.ContentType = "application/x-protobuf";
            });
        }

        app.MapGet(Totals, () => string.Join('\n', Kinds.Select((name, i) => $"{name} {Volatile.Read(ref bytes[i])}")));
        await app.StartAsync(cancellationToken);
        ChildServer.Announce(app.Urls.Select(u => new Uri(u)));
        await ParentWatch.WaitAsync(cancellationToken);
        await app.StopAsync(CancellationToken.None);
    }
}
