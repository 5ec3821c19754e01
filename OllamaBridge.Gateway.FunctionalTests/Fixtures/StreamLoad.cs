using System.Collections.Concurrent;
using System.Net;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Fixtures;

/// <summary>Clients that read one streamed response after the other until they are stopped; each response is checked.</summary>
internal sealed class StreamLoad : IAsyncDisposable
{
    private const int Tokens = 10;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<string, int> _answers = new();
    private readonly ConcurrentQueue<string> _failures = new();
    private readonly TestBridge _bridge;
    private readonly Task _running;
    private int _asked;

    public StreamLoad(TestBridge bridge, int clients)
    {
        _bridge = bridge;
        _running = Task.WhenAll(Enumerable.Range(0, clients).Select(_ => Task.Run(RunAsync)));
    }

    /// <summary>The incomplete or failed responses.</summary>
    public IReadOnlyCollection<string> Failures => _failures;

    /// <summary>The number of responses that an instance has started.</summary>
    public int AnswersOf(string instance) => _answers.GetValueOrDefault(instance);

    /// <summary>The total number of responses.</summary>
    public int Answers => _answers.Values.Sum();

    /// <summary>Waits until each of the instances has completed a number of further responses.</summary>
    public async Task UntilAnsweredAsync(int each, params string[] instances)
    {
        var before = instances.ToDictionary(i => i, AnswersOf);
        await Eventually.BecomesAsync(() => instances.All(i => AnswersOf(i) >= before[i] + each) || !_failures.IsEmpty, TimeSpan.FromSeconds(60));
        Assert.Empty(_failures);
    }

    /// <summary>Sends no new requests, and waits for the running responses.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _running;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
            try
            {
                var number = Interlocked.Increment(ref _asked);
                using var answer = await _bridge.OpenAsync("/api/chat", Ask.Chat(stream: true, tokens: Tokens, text: $"Why, number {number}?"));
                var instance = answer.Headers.TryGetValues("X-Bridge-Instance", out var names) ? names.Single() : "nobody";
                var text = await answer.Content.ReadAsStringAsync();
                if (answer.StatusCode != HttpStatusCode.OK || !text.Contains($"\"eval_count\":{Tokens}", StringComparison.Ordinal))
                    _failures.Enqueue($"{(int)answer.StatusCode} of {instance}: {text}");
                _answers.AddOrUpdate(instance, 1, (_, count) => count + 1);
            }
            catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
            {
                _failures.Enqueue(e.ToString());
            }
    }
}
