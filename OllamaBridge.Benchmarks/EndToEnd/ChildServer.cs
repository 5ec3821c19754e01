using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>A server in a process of its own, so that what it uses can be told from what others use.</summary>
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
        // Whatever way this process ends short of SIGKILL; those that are ours then see their standard input end.
        AppDomain.CurrentDomain.ProcessExit += OnExit;
        process.OutputDataReceived += (_, e) => Remember(e.Data);
        process.ErrorDataReceived += (_, e) => Remember(e.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>Processor time used so far.</summary>
    public TimeSpan Cpu
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    /// <summary>Memory in RAM now, in bytes (Linux: VmRSS).</summary>
    public long Resident
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    /// <summary>The most memory that was ever in RAM, in bytes (Linux: VmHWM).</summary>
    public long PeakResident
    {
        get
        {
            _process.Refresh();
            return _process.PeakWorkingSet64;
        }
    }

    /// <summary>Starts a .NET program that lies beside this one.</summary>
    /// <param name="assembly">File name of its assembly.</param>
    /// <param name="arguments">Its command line.</param>
    /// <param name="environment">What its environment has besides this process's own.</param>
    public static ChildServer Start(string assembly, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null) =>
        StartProgram(
            Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", [Path.Combine(AppContext.BaseDirectory, assembly), .. arguments], environment);

    /// <summary>Starts any program.</summary>
    /// <param name="file">Its file.</param>
    /// <param name="arguments">Its command line.</param>
    /// <param name="environment">What its environment has besides this process's own.</param>
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

    /// <summary>In the child: says where it listens.</summary>
    public static void Announce(IEnumerable<Uri> urls) => Console.WriteLine(Announcement + string.Join(' ', urls.Select(u => u.Authority)));

    /// <summary>In the parent: waits until it says where it listens.</summary>
    public async Task<IPEndPoint[]> AddressesAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        var line = await _announced.Task.WaitAsync(patience, cancellationToken);
        return [.. line.Split(' ').Select(IPEndPoint.Parse)];
    }

    /// <summary>Throws if it has ended.</summary>
    public void ThrowIfEnded()
    {
        if (_process.HasExited)
            throw new MeasurementException($"a server ended with code {_process.ExitCode}: {string.Join('\n', _lastLines)}");
    }

    /// <inheritdoc/>
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
            // It has ended already.
        }
    }

    private void Remember(string? line)
    {
        if (line is null)
        {
            _announced.TrySetException(new MeasurementException($"a server ended at its start: {string.Join('\n', _lastLines)}"));
            return;
        }

        _lastLines.Enqueue(line);
        while (_lastLines.Count > RememberedLines)
            _lastLines.TryDequeue(out _);
        if (line.StartsWith(Announcement, StringComparison.Ordinal))
            _announced.TrySetResult(line[Announcement.Length..]);
    }
}
