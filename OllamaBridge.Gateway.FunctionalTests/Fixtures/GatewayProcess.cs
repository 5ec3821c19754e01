using System.Globalization;
using System.Text.Json.Nodes;
using OllamaBridge.Simulator;

namespace OllamaBridge.Gateway.FunctionalTests.Fixtures;

/// <summary>The real gateway in its own process, in front of simulators.</summary>
internal sealed class GatewayProcess : IAsyncDisposable
{
    private const string Announcement = "Now listening on: ";
    private readonly RunningProcess _process;
    private readonly HttpClient _client;

    private GatewayProcess(RunningProcess process, Uri url)
    {
        _process = process;
        _client = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = url, Timeout = TimeSpan.FromSeconds(20) };
    }

    public Uri Url => _client.BaseAddress!;

    /// <summary>Whether the process was killed; its requests may fail afterwards.</summary>
    public bool IsKilled { get; private set; }

    /// <summary>The last lines of its output, for the message of a failed test.</summary>
    public string LastLines => string.Join('\n', _process.Lines.TakeLast(20));

    /// <summary>Resident memory in bytes.</summary>
    public long Resident => _process.Resident;

    /// <summary>Starts a gateway and returns when it listens.</summary>
    public static Task<GatewayProcess> StartAsync(IReadOnlyList<SimulatedServer> servers, int slots, params (string Key, string Value)[] settings) =>
        StartAsync([.. servers.Select(s => s.Url)], slots, settings);

    public static async Task<GatewayProcess> StartAsync(IReadOnlyList<Uri> servers, int slots, params (string Key, string Value)[] settings)
    {
        var environment = new Dictionary<string, string>
        {
            ["ASPNETCORE_URLS"] = "http://127.0.0.1:0",
            ["Logging__LogLevel__Default"] = "Warning",
            ["Logging__LogLevel__Microsoft.Hosting.Lifetime"] = "Information",
            ["Logging__Console__FormatterName"] = "simple",
            ["Logging__Console__FormatterOptions__SingleLine"] = "true",
            ["Bridge__Health__Interval"] = "00:00:00.5",
        };
        for (var i = 0; i < servers.Count; i++)
        {
            environment[$"Bridge__Instances__{i}__Url"] = servers[i].ToString();
            environment[$"Bridge__Instances__{i}__Name"] = $"sim-{i + 1}";
            environment[$"Bridge__Instances__{i}__Slots"] = slots.ToString(CultureInfo.InvariantCulture);
        }

        foreach (var (key, value) in settings)
            environment[key.Replace(":", "__", StringComparison.Ordinal)] = value;
        var (process, line) = await RunningProcess.StartDotnetAsync(
            "OllamaBridge.Gateway.dll", [], l => l.Contains(Announcement, StringComparison.Ordinal), environment);
        var url = line[(line.IndexOf(Announcement, StringComparison.Ordinal) + Announcement.Length)..];
        return new GatewayProcess(process, new Uri(url[..(url.IndexOf('"') is >= 0 and var end ? end : url.Length)].Trim()));
    }

    public Task KillAsync()
    {
        IsKilled = true;
        return _process.KillAsync();
    }

    /// <summary>Sends SIGTERM and returns immediately.</summary>
    public void Terminate() => _process.Terminate();

    /// <summary>Waits until the process has exited.</summary>
    /// <returns>The exit code.</returns>
    public Task<int> EndAsync() => _process.EndAsync();

    /// <summary>Reads a number of each instance from <c>/bridge/instances</c>.</summary>
    public async Task<int[]> InstancesAsync(string field, CancellationToken cancellationToken) =>
        [.. JsonNode.Parse(await _client.GetStringAsync("/bridge/instances", cancellationToken))!.AsArray().Select(i => i![field]!.GetValue<int>())];

    /// <summary>The sum of all series of a metric that have a label.</summary>
    public async Task<double> MetricAsync(string name, string label, CancellationToken cancellationToken) =>
        (await _client.GetStringAsync("/metrics", cancellationToken)).Split('\n')
            .Where(l => l.StartsWith(name, StringComparison.Ordinal) && l.Contains(label, StringComparison.Ordinal))
            .Sum(l => double.Parse(l[(l.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _process.DisposeAsync();
    }
}
