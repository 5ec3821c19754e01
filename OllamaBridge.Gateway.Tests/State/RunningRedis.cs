namespace OllamaBridge.Gateway.Tests.State;

/// <summary>A real redis-server, where there is one on PATH, in memory.</summary>
internal sealed class RunningRedis(RunningProcess process, int port) : IAsyncDisposable
{
    public int Port => port;

    /// <summary>Starts one; skips the test where there is none.</summary>
    /// <param name="port">Where; null for a free port.</param>
    public static async Task<RunningRedis> StartAsync(int? port = null)
    {
        var file = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(f => Path.Combine(f, "redis-server")).FirstOrDefault(File.Exists);
        if (file is null)
            Assert.Skip("redis-server is not on PATH");
        var at = port ?? RunningProcess.FreePort();
        var (process, _) = await RunningProcess.StartAsync(
            file,
            ["--port", $"{at}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            line => line.Contains("Ready to accept", StringComparison.Ordinal));
        return new RunningRedis(process, at);
    }

    public ValueTask DisposeAsync() => process.DisposeAsync();
}
