using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>Takes what telemetry it is sent (OTLP over HTTP), as a collector would, and keeps nothing of it but how much it was.</summary>
internal static class TelemetrySink
{
    /// <summary>The command of the child process.</summary>
    public const string Command = "serve-telemetry";

    /// <summary>Where it says how many bytes it got of each kind: <c>logs</c>, <c>metrics</c>, <c>traces</c>, as lines of name and number.</summary>
    public const string Totals = "/totals";

    private static readonly string[] Kinds = ["logs", "metrics", "traces"];

    /// <summary>Runs it until the parent has gone; says its address once it listens.</summary>
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

                // An empty message: everything was taken.
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
