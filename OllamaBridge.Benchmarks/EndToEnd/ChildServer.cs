using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>A server in its own process, so that its processor time and memory can be measured separately.</summary>
internal sealed class ChildServer : IAsyncDisposable
{
    private const string Announcement = "listens on: ";
    private const int RememberedLines = 20;
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _lastLines = new();
    private readonly TaskCompletionSource<string> _announced = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ChildServer(Process process)
    {
        _process = process;
        // Runs at every end of this process except SIGKILL. After SIGKILL, the children end because their standard input closes.
        AppDomain.CurrentDomain.ProcessExit += OnExit;
        process.OutputDataReceived += (_, e) => Remember(e.Data);
        process.ErrorDataReceived += (_, e) => Remember(e.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public TimeSpan Cpu
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    /// <summary>The resident memory now, in bytes (Linux: VmRSS).</summary>
    public long Resident
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    /// <summary>The peak resident memory, in bytes (Linux: VmHWM).</summary>
    public long PeakResident
    {
        get
        {
            _process.Refresh();
            return _process.PeakWorkingSet64;
        }
    }

    /// <summary>Starts a .NET program from the directory of this one. The variables are added to this process's environment.</summary>
    public static ChildServer Start(string assembly, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null) =>
        StartProgram(
            Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", [Path.Combine(AppContext.BaseDirectory, assembly), .. arguments], environment);

    /// <summary>Starts a program. The variables are added to this process's environment.</summary>
    public static ChildServer StartProgram(string file, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;
        return new ChildServer(Process.Start(start) ?? throw new MeasurementException($"{file} could not be started"));
    }

    /// <summary>Called in the child: writes its addresses to standard output.</summary>
    public static void Announce(IEnumerable<Uri> urls) => Console.WriteLine(Announcement + string.Join(' ', urls.Select(u => u.Authority)));

    /// <summary>Called in the parent: waits until the child has written its addresses.</summary>
    public async Task<IPEndPoint[]> AddressesAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        var line = await _announced.Task.WaitAsync(patience, cancellationToken);
        return [.. line.Split(' ').Select(IPEndPoint.Parse)];
    }

    /// <exception cref="MeasurementException">The process has ended.</exception>
    public void ThrowIfEnded()
    {
        if (_process.HasExited)
            throw new MeasurementException($"a server ended with code {_process.ExitCode}: {string.Join('\n', _lastLines)}");
    }

    public async ValueTask DisposeAsync()
    {
        AppDomain.CurrentDomain.ProcessExit -= OnExit;
        Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private void OnExit(object? sender, EventArgs e) => Kill();

    private void Kill()
    {
        try
        {
            _process.Kill(entireProcessTree: true);
        }
        catch (InvalidOperationException)
        {
            // The process has already ended.
        }
    }

    private void Remember(string? line)
    {
        if (line is null)
        {
            _announced.TrySetException(new MeasurementException($"a server ended during its start: {string.Join('\n', _lastLines)}"));
            return;
        }

        _lastLines.Enqueue(line);
        while (_lastLines.Count > RememberedLines)
            _lastLines.TryDequeue(out _);
        if (line.StartsWith(Announcement, StringComparison.Ordinal))
            _announced.TrySetResult(line[Announcement.Length..]);
    }
}
