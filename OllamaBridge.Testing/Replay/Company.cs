using System.Text;
using OllamaBridge.Simulator;

namespace OllamaBridge.Testing.Replay;

/// <summary>The concurrent requests and the other servers of a replayed request.</summary>
internal sealed class Company : IAsyncDisposable
{
    private readonly HttpClient _client = new();
    private readonly CancellationTokenSource _end = new();
    private readonly List<Task> _running = [];
    private SimulatedServer? _rival;

    public static async Task<Company> GatherAsync(RecordingScenario scenario, SimulatedServer server, Recording recording)
    {
        var company = new Company();
        foreach (var body in scenario.Before)
            (await company.PostAsync(server, "/api/generate", body)).EnsureSuccessStatusCode();
        foreach (var body in scenario.Meanwhile)
        {
            var waiting = server.Statistics.ConcurrentRequests;
            company._running.Add(company.PostAsync(server, "/api/generate", body));
            await Poll.UntilAsync(() => server.Statistics.ConcurrentRequests > waiting);
            if (waiting == 0)
                await Poll.UntilAsync(() => server.Statistics.ActiveGenerations == 1);
            else
                await Poll.UntilAsync(() => server.WaitingForLoad == waiting);
        }
        if (scenario.Rival)
        {
            company._rival = await TestServer.StartAsync(
                scenario.Options with { Store = server.Store, PullBytesPerSecond = scenario.Options.PullBytesPerSecond * 2 });
            company._running.Add(company.PostAsync(company._rival, "/api/pull", recording.Command.Body));
        }
        return company;
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        foreach (var task in _running)
            await task.ContinueWith(_ => { }, TaskScheduler.Default);
        if (_rival is not null)
            await _rival.DisposeAsync();
        _client.Dispose();
        _end.Dispose();
    }

    private Task<HttpResponseMessage> PostAsync(SimulatedServer server, string path, string body) =>
        _client.PostAsync(new Uri(server.Url, path), new StringContent(body, Encoding.UTF8), _end.Token);
}
