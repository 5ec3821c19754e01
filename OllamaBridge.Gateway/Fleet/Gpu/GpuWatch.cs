using System.Collections.Immutable;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;
using OpenTelemetry;

namespace OllamaBridge.Gateway.Fleet.Gpu;

/// <summary>The last readings of an instance's own GPUs, and their time in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</summary>
internal readonly record struct GpuState(IReadOnlyList<GpuReading> Readings, long At);

/// <summary>Periodically reads the GPUs of instances: by their exporter, or by <c>nvidia-smi</c> on this machine. Other instances have no readings.</summary>
internal sealed class GpuWatch(IFleet fleet, IGpuSource source, IOptions<GpuOptions> options, TimeProvider time, ILogger<GpuWatch> logger)
    : PeriodicService(time)
{
    private const int FreshIntervals = 3;
    // A machine without the program does not get a GPU while it runs, so the program is tried again only rarely.
    private const int RoundsWithout = 60;
    private GpuOptions Settings => options.Value;
    private readonly HashSet<string> _silent = new(StringComparer.OrdinalIgnoreCase);
    private ImmutableDictionary<string, GpuState> _states = ImmutableDictionary<string, GpuState>.Empty;
    private int _withoutMachine;

    public IEnumerable<(string Instance, GpuReading Reading)> Readings
    {
        get
        {
            foreach (var (instance, state) in Volatile.Read(ref _states))
                if (Time.GetElapsedTime(state.At) < Settings.Interval * FreshIntervals)
                    foreach (var reading in state.Readings)
                        yield return (instance, reading);
        }
    }

    internal async Task RefreshAsync(CancellationToken cancellationToken)
    {
        // Readings make no traces.
        using var quiet = SuppressInstrumentationScope.Begin();
        var instances = fleet.Current.Instances.Where(v => !v.Instance.IsPeer).Select(v => v.Instance).ToList();
        // One consistent state of the settings for the whole reading.
        var exporters = Settings.Exporters;
        var reads = instances.Where(i => exporters.ContainsKey(i.Name))
            .Select(async i => (i.Name, Readings: await WithinTimeoutAsync(gone => source.ReadExporterAsync(exporters[i.Name], gone), cancellationToken)))
            .ToList();
        var here = instances.Where(i => i.Url.IsLoopback && !exporters.ContainsKey(i.Name)).ToList();
        var machine = here.Count > 0 ? await ReadMachineAsync(cancellationToken) : null;
        var now = Time.GetTimestamp();
        var seen = here.Where(_ => machine is not null).Select(i => (i.Name, Readings: machine)).Concat(await Task.WhenAll(reads)).ToList();
        foreach (var (name, readings) in seen)
            Note(name, readings is not null);

        var names = instances.Select(i => i.Name).ToHashSet(StringComparer.Ordinal);
        var states = _states.RemoveRange(_states.Keys.Where(n => !names.Contains(n)));
        foreach (var (name, readings) in seen)
            if (readings is not null)
                states = states.SetItem(name, new GpuState(Own(name, readings), now));
        Volatile.Write(ref _states, states);
    }

    protected override TimeSpan Interval => Settings.Interval;

    protected override bool RunsAtStart => true;

    protected override async Task<bool> RunOnceAsync(CancellationToken cancellationToken)
    {
        await RefreshAsync(cancellationToken);
        return true;
    }

    private async Task<IReadOnlyList<GpuReading>?> ReadMachineAsync(CancellationToken cancellationToken)
    {
        if (Settings.NvidiaSmi.Length == 0 || (_withoutMachine > 0 && _withoutMachine++ % RoundsWithout != 0))
            return null;
        var readings = await WithinTimeoutAsync(gone => source.ReadMachineAsync(Settings.NvidiaSmi, gone), cancellationToken);
        _withoutMachine = readings is null ? Math.Max(1, _withoutMachine) : 0;
        return readings;
    }

    private async Task<IReadOnlyList<GpuReading>?> WithinTimeoutAsync(Func<CancellationToken, Task<IReadOnlyList<GpuReading>?>> read, CancellationToken cancellationToken)
    {
        using var timeout = new LinkedTimeout(Settings.Timeout, Time, cancellationToken);
        try
        {
            return await read(timeout.Token);
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            // Any failure: missing metrics must not stop the gateway.
            return null;
        }
    }

    private IReadOnlyList<GpuReading> Own(string instance, IReadOnlyList<GpuReading> readings) =>
        Settings.Devices.TryGetValue(instance, out var devices)
            ? [.. readings.Where(r => devices.Split(',', StringSplitOptions.TrimEntries).Contains(r.Gpu))]
            : readings;

    private void Note(string instance, bool answers)
    {
        if (!answers && _silent.Add(instance))
            GpuLog.Silent(logger, instance, Settings.Exporters[instance]);
        else if (answers && _silent.Remove(instance))
            GpuLog.Answers(logger, instance, Settings.Exporters[instance]);
    }
}

/// <summary>Log messages of GPU readings. Event ids 1850–1859.</summary>
internal static partial class GpuLog
{
    [LoggerMessage(EventIds.Gpu.Silent, LogLevel.Warning, "GPU exporter of {Instance} at {Exporter} does not respond; its metrics are missing")]
    public static partial void Silent(ILogger logger, string instance, Uri exporter);

    [LoggerMessage(EventIds.Gpu.Answers, LogLevel.Information, "GPU exporter of {Instance} at {Exporter} responds")]
    public static partial void Answers(ILogger logger, string instance, Uri exporter);
}
