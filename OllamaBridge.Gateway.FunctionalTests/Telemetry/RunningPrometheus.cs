using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using OllamaBridge.Gateway.FunctionalTests.Deployment;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Testing.Repository;

namespace OllamaBridge.Gateway.FunctionalTests.Telemetry;

/// <summary>A real Prometheus with the files of <c>deploy/prometheus</c>. It scrapes every second, and alerts fire without delay.</summary>
internal sealed partial class RunningPrometheus : IAsyncDisposable
{
    private readonly RunningProcess _process;
    private readonly string _folder;
    private readonly HttpClient _client;

    private RunningPrometheus(RunningProcess process, string folder, int port)
    {
        _process = process;
        _folder = folder;
        _client = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = new Uri($"http://127.0.0.1:{port}/"), Timeout = TimeSpan.FromSeconds(20) };
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Starts a Prometheus that scrapes a bridge; skips the test if it is not on PATH.</summary>
    public static async Task<RunningPrometheus> StartAsync(Uri bridge)
    {
        var file = Promtool.Find("prometheus");
        var folder = Directory.CreateTempSubdirectory("ollamabridge-prometheus-").FullName;
        Directory.CreateDirectory(Path.Combine(folder, "rules"));
        foreach (var rules in PrometheusFiles.In("rules"))
            await File.WriteAllTextAsync(Path.Combine(folder, "rules", Path.GetFileName(rules)), For().Replace(await File.ReadAllTextAsync(rules, Token), "for: 1s"), Token);
        var configuration = Targets().Replace(RepositoryFiles.Read($"{PrometheusFiles.Folder}/prometheus.yml"), $"targets: ['{bridge.Authority}']\n");
        Assert.Contains(bridge.Authority, configuration, StringComparison.Ordinal);
        await File.WriteAllTextAsync(Path.Combine(folder, "prometheus.yml"), configuration.Replace("interval: 15s", "interval: 1s", StringComparison.Ordinal), Token);

        var port = RunningProcess.FreePort();
        // Prometheus logs to standard error.
        var (process, _) = await RunningProcess.StartAsync(
            "/bin/sh",
            [
                "-c", "exec \"$0\" \"$@\" 2>&1", file, $"--config.file={folder}/prometheus.yml", $"--storage.tsdb.path={folder}/data",
                $"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage",
            ],
            line => line.Contains("Server is ready to receive web requests", StringComparison.Ordinal));
        return new RunningPrometheus(process, folder, port);
    }

    /// <summary>The labels and the value of each series of a query. Fails if the query is not valid.</summary>
    public async Task<IReadOnlyList<(IReadOnlyDictionary<string, string> Labels, double Value)>> QueryAsync(string query)
    {
        using var answer = await _client.GetAsync($"api/v1/query?query={Uri.EscapeDataString(query)}", Token);
        var text = await answer.Content.ReadAsStringAsync(Token);
        Assert.True(answer.IsSuccessStatusCode, $"{query}: {text}");
        return
        [
            .. JsonNode.Parse(text)!["data"]!["result"]!.AsArray().Select(series => (
                (IReadOnlyDictionary<string, string>)series!["metric"]!.AsObject().ToDictionary(l => l.Key, l => (string)l.Value!),
                ScrapedValue((string)series["value"]![1]!))),
        ];
    }

    /// <summary>The trace ids of the exemplars of a query's series.</summary>
    public async Task<IReadOnlyList<string>> TracesAsync(string query)
    {
        var (from, to) = (DateTimeOffset.UtcNow.AddMinutes(-10), DateTimeOffset.UtcNow.AddMinutes(1));
        var text = await _client.GetStringAsync(
            $"api/v1/query_exemplars?query={Uri.EscapeDataString(query)}&start={from.ToUnixTimeSeconds()}&end={to.ToUnixTimeSeconds()}", Token);
        return [.. JsonNode.Parse(text)!["data"]!.AsArray().SelectMany(s => s!["exemplars"]!.AsArray()).Select(e => (string)e!["labels"]!["trace_id"]!).Distinct()];
    }

    /// <summary>The name of each rule, its health, and its error; empty for none.</summary>
    public async Task<IReadOnlyList<(string Name, string Health, string Error)>> RulesAsync() =>
    [
        .. JsonNode.Parse(await _client.GetStringAsync("api/v1/rules", Token))!["data"]!["groups"]!.AsArray()
            .SelectMany(g => g!["rules"]!.AsArray()).Select(r => ((string)r!["name"]!, (string)r["health"]!, (string?)r["lastError"] ?? "")),
    ];

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _process.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private static double ScrapedValue(string text) => text switch
    {
        "+Inf" => double.PositiveInfinity,
        "-Inf" => double.NegativeInfinity,
        _ => double.Parse(text, System.Globalization.CultureInfo.InvariantCulture),
    };

    [GeneratedRegex(@"\bfor: \w+")]
    private static partial Regex For();

    [GeneratedRegex(@"targets:\n(?:\s+- \S+:\d+\n)+")]
    private static partial Regex Targets();
}
