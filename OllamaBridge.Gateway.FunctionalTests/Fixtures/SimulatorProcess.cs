using System.Globalization;
using System.Net;
using System.Text;

namespace OllamaBridge.Gateway.FunctionalTests.Fixtures;

/// <summary>A simulator in its own process, which the test can kill with SIGKILL and restart at the same address.</summary>
internal sealed class SimulatorProcess : IAsyncDisposable
{
    // Disables tiered compilation: a restarted server would recompile its code on cores that the other servers need.
    private static readonly Dictionary<string, string> Environment = new() { ["DOTNET_TieredCompilation"] = "0" };
    private readonly string[] _arguments;
    private readonly IReadOnlyList<string> _models;
    private RunningProcess? _process;

    private SimulatorProcess(int port, IReadOnlyList<string> models, string[] arguments)
    {
        Url = new Uri($"http://127.0.0.1:{port}/");
        _models = models;
        _arguments = ["--port", port.ToString(CultureInfo.InvariantCulture), "--max-loaded", models.Count.ToString(CultureInfo.InvariantCulture), .. arguments];
    }

    public Uri Url { get; }

    /// <summary>Starts a simulator and loads its models.</summary>
    public static async Task<SimulatorProcess> StartAsync(IReadOnlyList<string> models, params string[] arguments)
    {
        var simulator = new SimulatorProcess(RunningProcess.FreePort(), models, arguments);
        await simulator.RestartAsync();
        return simulator;
    }

    /// <summary>Sends SIGKILL.</summary>
    public Task KillAsync() => _process!.KillAsync();

    /// <summary>Suspends the process: the kernel still accepts connections, but no request gets a response.</summary>
    public Task FreezeAsync() => _process!.SignalAsync("STOP");

    /// <summary>Restarts the process and loads its models again.</summary>
    public async Task RestartAsync()
    {
        if (_process is not null)
            await _process.DisposeAsync();
        (_process, _) = await RunningProcess.StartDotnetAsync(
            "OllamaBridge.Simulator.dll", _arguments, l => l.StartsWith(Url.ToString().TrimEnd('/'), StringComparison.Ordinal), Environment);
        using var client = new HttpClient { BaseAddress = Url };
        foreach (var model in _models)
        {
            using var answer = await client.PostAsync(
                "/api/embed", new ByteArrayContent(Encoding.UTF8.GetBytes($$"""{"model":"{{model}}","keep_alive":-1}""")), TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
            await _process.DisposeAsync();
    }
}
