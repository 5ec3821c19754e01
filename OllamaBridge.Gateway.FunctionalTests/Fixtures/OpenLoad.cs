using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Text;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Fixtures;

/// <summary>Requests at a fixed rate over several gateways in turn, independent of earlier responses; each response is checked.</summary>
internal sealed class OpenLoad : IAsyncDisposable
{
    private const int Tokens = 4;
    private const int Conversations = 97;
    // Limits the backlog after a pause of the machine, so that it does not reach the gateways in one burst.
    private static readonly TimeSpan MostOwed = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(5);
    private static readonly byte[][] Bodies = [.. Enumerable.Range(0, 2 * Conversations).Select(Body)];
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false, MaxConnectionsPerServer = 4000 }) { Timeout = TimeSpan.FromSeconds(60) };
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentBag<string> _failures = [];
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private readonly double _rate;
    private readonly Task _running;
    private volatile GatewayProcess[] _gateways;
    private int _started;
    private int _ended;
    private int _owed;

    public OpenLoad(double rate, params GatewayProcess[] gateways)
    {
        _rate = rate;
        _gateways = gateways;
        _running = Task.Run(RunAsync);
    }

    /// <summary>Requests that were sent, to any gateway.</summary>
    public int Started => Volatile.Read(ref _started);

    /// <summary>Requests that have ended, with any outcome.</summary>
    public int Ended => Volatile.Read(ref _ended);

    /// <summary>The achieved rate in requests per second.</summary>
    public double Reached => Started / _watch.Elapsed.TotalSeconds;

    /// <summary>Failures of requests to gateways that were not killed.</summary>
    public IReadOnlyCollection<string> Failures => _failures;

    public void GoTo(params GatewayProcess[] gateways) => _gateways = gateways;

    /// <summary>Sends a number of additional requests at once, to use all slots, and waits until a number of further requests have ended.</summary>
    public async Task AnsweredAsync(int count, TimeSpan within, int burst = 0)
    {
        var aim = Ended + count + burst;
        Interlocked.Add(ref _owed, burst);
        await Eventually.BecomesAsync(() => Ended >= aim, within);
    }

    /// <summary>Stops sending, and waits for the pending responses.</summary>
    public async Task StopAsync()
    {
        if (_watch.IsRunning)
            _watch.Stop();
        await _stop.CancelAsync();
        await _running;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _client.Dispose();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        var (open, begun) = (new List<Task>(), _watch.Elapsed);
        using var timer = new PeriodicTimer(Tick);
        while (!_stop.IsCancellationRequested)
        {
            await timer.WaitForNextTickAsync();
            var now = _watch.Elapsed;
            if (now - begun > MostOwed)
                begun = now - MostOwed;
            var due = Interlocked.Exchange(ref _owed, 0);
            for (; begun < now; begun += TimeSpan.FromSeconds(1 / _rate))
                due++;
            for (; due > 0; due--)
            {
                var gateways = _gateways;
                var number = Interlocked.Increment(ref _started);
                open.Add(AskAsync(number, gateways[number % gateways.Length]));
            }

            open.RemoveAll(t => t.IsCompleted);
        }

        await Task.WhenAll(open);
    }

    private async Task AskAsync(int number, GatewayProcess gateway)
    {
        string? failure;
        try
        {
            using var content = new ByteArrayContent(Bodies[number % Bodies.Length]);
            using var answer = await _client.PostAsync(new Uri(gateway.Url, "/api/chat"), content);
            var body = await answer.Content.ReadAsStringAsync();
            failure = answer.StatusCode != HttpStatusCode.OK ? $"{(int)answer.StatusCode} {body}"
                : !body.Contains($"\"eval_count\":{Tokens}", StringComparison.Ordinal) || !body.Contains("\"done\":true", StringComparison.Ordinal) ? $"not whole: {body}"
                : null;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException)
        {
            failure = e.ToString();
        }

        if (failure is not null && !gateway.IsKilled)
            _failures.Add($"request {number} after {_watch.Elapsed}: {failure}");
        Interlocked.Increment(ref _ended);
    }

    /// <summary>Every second request streams; conversations differ, so that they are spread.</summary>
    private static byte[] Body(int number) => Encoding.UTF8.GetBytes(
        $$$"""{"model":"{{{TestFleet.Model}}}","messages":[{"role":"user","content":"conversation {{{number % Conversations}}}"}],"stream":{{{(number % 2 == 0 ? "true" : "false")}}},"options":{"num_predict":{{{Tokens}}},"seed":1}}""");
}
