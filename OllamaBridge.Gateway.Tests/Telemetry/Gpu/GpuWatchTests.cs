using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Gpu;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Telemetry.Gpu;

public sealed class GpuWatchTests
{
    private static readonly GpuReading First = new("0", 0.5, 1, 2, 40);
    private static readonly GpuReading Second = new("1", 0.25, 1, 2, 40);
    private readonly FakeTimeProvider _time = new();
    private readonly FakeFleet _fleet = new();
    private readonly Source _source = new();
    private readonly CapturedLogs _logs = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Look_ExporterStopsAndReturns_AbsentAfterThreeIntervalsThenBack()
    {
        var watch = Make(new GpuOptions { Exporters = { ["gpu-1"] = new Uri("http://gpu-1:9400/metrics") } }, "gpu-1", "gpu-2");
        Assert.Empty(watch.Readings);
        _source.Exporter = [First];
        await watch.RefreshAsync(Token);
        Assert.Equal([("gpu-1", First)], watch.Readings);

        _source.Exporter = null;
        _time.Advance(TimeSpan.FromSeconds(20));
        await watch.RefreshAsync(Token);
        await watch.RefreshAsync(Token);
        Assert.Equal([("gpu-1", First)], watch.Readings);
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Empty(watch.Readings);

        _source.Exporter = [Second];
        await watch.RefreshAsync(Token);
        Assert.Equal([("gpu-1", Second)], watch.Readings);
        Assert.Equal(["Warning 1850", "Information 1851"], _logs.Lines.Select(l => string.Join(' ', l.Split(' ')[..2])));
    }

    [Fact]
    public async Task Look_ThisMachine_OnlyLocalInstancesAndTheirDevices()
    {
        var watch = Make(new GpuOptions { Devices = { ["here-2"] = "1" } }, "here-1", "here-2", "elsewhere");
        _source.Machine = [First, Second];

        await watch.RefreshAsync(Token);

        Assert.Equal([("here-1", First), ("here-1", Second), ("here-2", Second)], watch.Readings.OrderBy(r => r.Instance).ThenBy(r => r.Reading.Gpu));
    }

    [Fact]
    public async Task Look_NoProgram_AbsentAndRarelyRetried()
    {
        var watch = Make(new GpuOptions(), "here-1");

        for (var i = 0; i < 61; i++)
            await watch.RefreshAsync(Token);

        Assert.Empty(watch.Readings);
        Assert.Equal(2, _source.Asked);
        Assert.Empty(_logs.Lines);
    }

    [Fact]
    public async Task Look_SourceHangs_CancelledAfterTimeout()
    {
        var watch = Make(new GpuOptions { Timeout = TimeSpan.FromSeconds(5) }, "here-1");
        _source.Hangs = true;

        var look = watch.RefreshAsync(Token);
        Assert.False(look.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(5));
        await look;

        Assert.Empty(watch.Readings);
    }

    [Fact]
    public async Task Look_InstanceLeft_FiguresRemoved()
    {
        var watch = Make(new GpuOptions(), "here-1");
        _source.Machine = [First];
        await watch.RefreshAsync(Token);

        _fleet.Publish(new FleetBuilder().With("other").Build());
        await watch.RefreshAsync(Token);

        Assert.Empty(watch.Readings);
    }

    private GpuWatch Make(GpuOptions options, params string[] instances)
    {
        var views = instances.Select(name => new Instance(new InstanceDefinition(
            name, new Uri(name.StartsWith("here", StringComparison.Ordinal) ? "http://127.0.0.1:11434" : $"http://{name}:11434"), 1, 0)));
        _fleet.Publish(new SnapshotBuilder().Build([.. views.Select(i => new InstanceWatch(i).ToView())]));
        using var factory = new Microsoft.Extensions.Logging.LoggerFactory([_logs]);
        return new GpuWatch(_fleet, _source, Options.Create(options), _time, new Microsoft.Extensions.Logging.Logger<GpuWatch>(factory));
    }

    private sealed class Source : IGpuSource
    {
        public IReadOnlyList<GpuReading>? Exporter { get; set; }

        public IReadOnlyList<GpuReading>? Machine { get; set; }

        public bool Hangs { get; set; }

        public int Asked { get; private set; }

        public Task<IReadOnlyList<GpuReading>?> ReadExporterAsync(Uri address, CancellationToken cancellationToken) => Task.FromResult(Exporter);

        public async Task<IReadOnlyList<GpuReading>?> ReadMachineAsync(string program, CancellationToken cancellationToken)
        {
            Asked++;
            if (Hangs)
                await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            return Machine;
        }
    }
}
