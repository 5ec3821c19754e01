using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;

namespace OllamaBridge.Gateway.FunctionalTests.Telemetry;

/// <summary>Clients that each send the next request as soon as they have the response. The models take turns, and all responses are streamed.</summary>
internal sealed class ClosedLoad : IAsyncDisposable
{
    private readonly HttpClient _client;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<string> _failures = [];
    private readonly Task _running;

    public ClosedLoad(Uri bridge, int clients, IReadOnlyList<string> models)
    {
        _client = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = bridge, Timeout = TimeSpan.FromSeconds(60) };
        _running = Task.WhenAll(Enumerable.Range(0, clients).Select(client => Task.Run(async () =>
        {
            for (var number = client; !_stop.IsCancellationRequested; number++)
                await AskAsync(models[number % models.Count], $"conversation {number}");
        })));
    }

    /// <summary>Descriptions of the failed requests.</summary>
    public IReadOnlyCollection<string> Failures => _failures;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _client.Dispose();
        _stop.Dispose();
    }

    private async Task AskAsync(string model, string text)
    {
        try
        {
            using var answer = await _client.PostAsJsonAsync("/api/chat", Ask.Chat(model, stream: true, 12, text));
            var body = await answer.Content.ReadAsStringAsync();
            if (answer.StatusCode != HttpStatusCode.OK || !body.Contains("\"done\":true", StringComparison.Ordinal))
                _failures.Enqueue($"{(int)answer.StatusCode} {body}");
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException)
        {
            _failures.Enqueue(e.Message);
        }
    }
}
