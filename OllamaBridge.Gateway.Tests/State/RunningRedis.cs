using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace OllamaBridge.Gateway.Tests.State;

/// <summary>A real redis-server, where there is one on PATH.</summary>
internal sealed class RunningRedis : IAsyncDisposable
{
    private readonly Process _process;

    private RunningRedis(Process process, int port) => (_process, Port) = (process, port);

    public int Port { get; }

    /// <summary>Starts one in memory; skips the test where there is none.</summary>
    public static async Task<RunningRedis> StartAsync()
    {
        var file = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(f => Path.Combine(f, "redis-server")).FirstOrDefault(File.Exists);
        if (file is null)
            Assert.Skip("redis-server is not on PATH");
        var port = FreePort();
        var process = Process.Start(new ProcessStartInfo(file, ["--port", $"{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        {
            RedirectStandardOutput = true,
            WorkingDirectory = Path.GetTempPath(),
        })!;
        // It says so when it listens.
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (await process.StandardOutput.ReadLineAsync(patience.Token) is { } line && !line.Contains("Ready to accept", StringComparison.Ordinal))
        {
            // What it says before that is of no interest.
        }

        process.StandardOutput.Close();
        return new RunningRedis(process, port);
    }

    public static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
