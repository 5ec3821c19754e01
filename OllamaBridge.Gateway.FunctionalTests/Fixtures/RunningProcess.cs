using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Fixtures;

/// <summary>A server in its own process, which can be killed with SIGKILL.</summary>
internal sealed class RunningProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TestTimeouts.Guard;
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly TaskCompletionSource<string> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private RunningProcess(Process process, Func<string, bool> isReady)
    {
        _process = process;
        AppDomain.CurrentDomain.ProcessExit += OnExit;
        void Read(string? line)
        {
            if (line is null)
            {
                _ready.TrySetException(new InvalidOperationException($"{process.StartInfo.FileName} ended during its start: {string.Join('\n', _lines)}"));
                return;
            }

            _lines.Enqueue(line);
            if (isReady(line))
                _ready.TrySetResult(line);
        }

        process.OutputDataReceived += (_, e) => Read(e.Data);
        process.ErrorDataReceived += (_, e) => _lines.Enqueue(e.Data ?? "");
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>Sends a signal: <c>STOP</c> freezes the process, <c>CONT</c> continues it.</summary>
    public async Task SignalAsync(string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, kill.ExitCode);
    }

    /// <summary>The path of the .NET host.</summary>
    public static string Dotnet => Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";

    /// <summary>Its output.</summary>
    public IReadOnlyCollection<string> Lines => _lines;

    /// <summary>The resident memory now, in bytes (Linux: VmRSS).</summary>
    public long Resident
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    /// <summary>Starts a program and waits until its output reports that it is ready.</summary>
    /// <returns>The process, and the line of output that matched.</returns>
    public static async Task<(RunningProcess Process, string Line)> StartAsync(
        string file, IEnumerable<string> arguments, Func<string, bool> isReady, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Path.GetTempPath(),
        };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;
        var process = new RunningProcess(Process.Start(start)!, isReady);
        try
        {
            return (process, await process._ready.Task.WaitAsync(Patience, TestContext.Current.CancellationToken));
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts a .NET program from the directory of the tests.</summary>
    /// <inheritdoc cref="StartAsync"/>
    public static Task<(RunningProcess Process, string Line)> StartDotnetAsync(
        string assembly, IEnumerable<string> arguments, Func<string, bool> isReady, IReadOnlyDictionary<string, string>? environment = null) =>
        StartAsync(
            Dotnet,
            [Path.Combine(AppContext.BaseDirectory, assembly), .. arguments],
            isReady,
            environment);

    public static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    /// <summary>Sends SIGKILL and waits for the end.</summary>
    public async Task KillAsync()
    {
        if (!_process.HasExited)
            _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>Sends SIGTERM and does not wait.</summary>
    public void Terminate()
    {
        using var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    /// <summary>Waits for the end and returns the exit code.</summary>
    public async Task<int> EndAsync()
    {
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Patience);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        AppDomain.CurrentDomain.ProcessExit -= OnExit;
        await KillAsync();
        _process.Dispose();
    }

    private void OnExit(object? sender, EventArgs e) => _process.Kill();
}
