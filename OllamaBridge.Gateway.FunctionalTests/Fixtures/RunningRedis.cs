namespace OllamaBridge.Gateway.FunctionalTests.Fixtures;

/// <summary>A real redis-server from PATH, without persistence.</summary>
internal sealed class RunningRedis(RunningProcess process, int port) : IAsyncDisposable
{
    public int Port => port;

    /// <summary>Starts a server; skips the test if redis-server is not on PATH.</summary>
    /// <param name="port">The port; null for a free port.</param>
    /// <param name="arguments">Further arguments.</param>
    public static async Task<RunningRedis> StartAsync(int? port = null, params string[] arguments)
    {
        var file = Executable();
        var at = port ?? RunningProcess.FreePort();
        var (process, _) = await RunningProcess.StartAsync(
            file,
            ["--port", $"{at}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", .. arguments],
            line => line.Contains("Ready to accept", StringComparison.Ordinal));
        return new RunningRedis(process, at);
    }

    /// <summary>Starts a sentinel that monitors a primary, with a quorum of one.</summary>
    /// <param name="primary">The primary's port.</param>
    /// <param name="service">The sentinel's name for the primary and its replicas.</param>
    public static async Task<RunningRedis> StartSentinelAsync(int primary, string service)
    {
        var at = RunningProcess.FreePort();
        var file = Path.Combine(Directory.CreateTempSubdirectory("sentinel").FullName, "sentinel.conf");
        await File.WriteAllTextAsync(
            file,
            $"""
            port {at}
            bind 127.0.0.1
            sentinel monitor {service} 127.0.0.1 {primary} 1
            sentinel down-after-milliseconds {service} 500
            sentinel failover-timeout {service} 3000

            """,
            TestContext.Current.CancellationToken);
        var (process, _) = await RunningProcess.StartAsync(Executable(), [file, "--sentinel"], line => line.Contains("monitor master", StringComparison.Ordinal));
        return new RunningRedis(process, at);
    }

    /// <summary>Runs a command as an operator does.</summary>
    public async Task<StackExchange.Redis.RedisResult> AskAsync(string command, params object[] arguments)
    {
        await using var redis = await StackExchange.Redis.ConnectionMultiplexer.ConnectAsync($"127.0.0.1:{port},allowAdmin=true");
        return await redis.GetServer($"127.0.0.1:{port}").ExecuteAsync(command, arguments);
    }

    /// <summary>Whether the output has a line with a text.</summary>
    public bool HasLogged(string text) => process.Lines.Any(line => line.Contains(text, StringComparison.Ordinal));

    public Task KillAsync() => process.KillAsync();

    public ValueTask DisposeAsync() => process.DisposeAsync();

    private static string Executable()
    {
        var file = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(f => Path.Combine(f, "redis-server")).FirstOrDefault(File.Exists);
        if (file is null)
            Assert.Skip("redis-server is not on PATH");
        return file;
    }
}
