using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace OllamaBridge.Gateway.FunctionalTests.Fixtures;

/// <summary>A server with OpenAI's API that runs one request at a time: an HTTP server, and a separate engine that a test can freeze.</summary>
internal sealed class OpenAIEngine : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly SemaphoreSlim _slot = new(1);
    private readonly TimeProvider _time;
    private TaskCompletionSource? _frozen;
    private long _steps;
    private int _answered;
    private int _asked;

    private OpenAIEngine(string name, TimeProvider time)
    {
        _time = time;
        Name = name;
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Logging.ClearProviders();
        _application = builder.Build();
        _application.MapGet("/health", () => Results.Ok());
        _application.MapGet("/v1/models", () => Results.Text("""{"object":"list","data":[{"id":"m","object":"model","created":1,"owned_by":"x"}]}""", "application/json"));
        _application.MapGet("/metrics", () => HasMetrics ? Results.Text(FormattableString.Invariant($"vllm:kv_cache_usage_perc {Interlocked.Read(ref _steps)}\n")) : Results.NotFound());
        _application.MapPost("/v1/{**route}", AnswerAsync);
    }

    public string Name { get; }

    /// <summary>Whether the server publishes metrics of its engine.</summary>
    public bool HasMetrics { get; init; }

    /// <summary>The time to evaluate a prompt that contains <c>long</c>; other prompts take no time.</summary>
    public TimeSpan Prefill { get; init; } = TimeSpan.FromSeconds(40);

    public Uri Url => new(_application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());

    /// <summary>Completed requests for the model.</summary>
    public int Answered => Volatile.Read(ref _answered);

    /// <summary>Received requests for the model, completed or not.</summary>
    public int Asked => Volatile.Read(ref _asked);

    public static async Task<OpenAIEngine> StartAsync(string name, TimeProvider time, bool hasMetrics = false)
    {
        var engine = new OpenAIEngine(name, time) { HasMetrics = hasMetrics };
        await engine._application.StartAsync(TestContext.Current.CancellationToken);
        return engine;
    }

    /// <summary>Freezes the engine; the HTTP server continues to respond.</summary>
    public void Freeze() => _frozen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public async ValueTask DisposeAsync()
    {
        _frozen?.TrySetResult();
        await _application.DisposeAsync();
        _slot.Dispose();
    }

    private async Task AnswerAsync(HttpContext context, string route)
    {
        var body = (await JsonNode.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted))!;
        Interlocked.Increment(ref _asked);
        await _slot.WaitAsync(context.RequestAborted);
        try
        {
            for (var left = body.ToJsonString().Contains("long", StringComparison.Ordinal) ? Prefill : TimeSpan.Zero; left > TimeSpan.Zero; left -= TimeSpan.FromSeconds(1))
            {
                await Task.Delay(TimeSpan.FromSeconds(1), _time, context.RequestAborted);
                Interlocked.Increment(ref _steps);
            }

            if (_frozen is { } frozen)
                await frozen.Task.WaitAsync(context.RequestAborted);
            await WriteAsync(context.Response, route, body["stream"]?.GetValue<bool>() == true, body.ToJsonString().Contains("tokens", StringComparison.Ordinal));
            Interlocked.Increment(ref _answered);
        }
        finally
        {
            _slot.Release();
        }
    }

    private Task WriteAsync(HttpResponse response, string route, bool streams, bool isSlow)
    {
        if (route == "embeddings")
            return WriteJsonAsync(response, """{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1]}],"model":"m","usage":{"prompt_tokens":2,"total_tokens":2}}""");
        var (kind, chunk) = route == "completions" ? ("text_completion", "text_completion") : ("chat.completion", "chat.completion.chunk");
        string Choice(bool isEnd) => route == "completions"
            ? $$"""{"index":0,"text":"{{(isEnd ? "" : Name)}}","finish_reason":{{(isEnd ? "\"stop\"" : "null")}}}"""
            : $$"""{"index":0,"{{(streams ? "delta" : "message")}}":{"role":"assistant","content":"{{(isEnd && streams ? "" : Name)}}"},"finish_reason":{{(isEnd ? "\"stop\"" : "null")}}}""";
        string Event(bool isEnd) => $$"""{"id":"c","object":"{{(streams ? chunk : kind)}}","created":1,"model":"m","choices":[{{Choice(isEnd)}}]}""";
        if (!streams)
            return WriteJsonAsync(response, Event(isEnd: true));
        response.ContentType = "text/event-stream";
        if (isSlow)
            return WriteSlowlyAsync(response, Event);
        return response.WriteAsync(string.Create(CultureInfo.InvariantCulture, $"data: {Event(false)}\n\ndata: {Event(true)}\n\ndata: [DONE]\n\n"));
    }

    /// <summary>Generates one token per second for the time of a prompt's evaluation.</summary>
    private async Task WriteSlowlyAsync(HttpResponse response, Func<bool, string> message)
    {
        for (var left = Prefill; left > TimeSpan.Zero; left -= TimeSpan.FromSeconds(1))
        {
            await response.WriteAsync($"data: {message(false)}\n\n");
            await response.Body.FlushAsync();
            await Task.Delay(TimeSpan.FromSeconds(1), _time);
        }

        await response.WriteAsync($"data: {message(true)}\n\ndata: [DONE]\n\n");
    }

    private static Task WriteJsonAsync(HttpResponse response, string json)
    {
        response.ContentType = "application/json";
        return response.WriteAsync(json);
    }
}
