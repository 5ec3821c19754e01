using System.Diagnostics.Metrics;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Testing.Queueing;

namespace OllamaBridge.Gateway.Tests.Fleet.Breaker;

public sealed class PlacementMetricsTests : IDisposable
{
    private readonly TestMeters _meters = new();
    private readonly MeterListener _listener = new();
    private readonly List<string> _measured = [];
    private readonly PlacementMetrics _metrics;

    public PlacementMetricsTests()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope == _meters)
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, labels, _) => Record(instrument, value, labels));
        _listener.SetMeasurementEventCallback<int>((instrument, value, labels, _) => Record(instrument, value, labels));
        _listener.Start();
        _metrics = new PlacementMetrics(_meters);
    }

    public void Dispose()
    {
        _listener.Dispose();
        _meters.Dispose();
    }

    [Fact]
    public void RecordOpened_TimedOut_CountsOneWithLabels()
    {
        _metrics.RecordOpened("a:latest", "i", InstanceFailure.TimedOut);
        Assert.Equal(["ollama.breaker.opened 1 {opening} model=a:latest instance=i reason=timedout"], _measured);
    }

    [Fact]
    public void ObservePlacements_OneCondition_OneAmongZeros()
    {
        _metrics.ObservePlacements(() => [new PlacementReport("i", "a:latest", PlacementCondition.Busy, 7)]);
        _listener.RecordObservableInstruments();
        Assert.Equal(Enum.GetValues<PlacementCondition>().Length, _measured.Count);
        Assert.Equal(["ollama.placement.state 1 - instance=i model=a:latest state=busy"], _measured.Where(m => m.StartsWith("ollama.placement.state 1", StringComparison.Ordinal)));
        Assert.Contains("ollama.placement.state 0 - instance=i model=a:latest state=steady", _measured);
    }

    [Fact]
    public void ObserveParallelism_Limit_ReportedWithLabels()
    {
        _metrics.ObserveParallelism(() => [("i", "a:latest", 3)]);
        _listener.RecordObservableInstruments();
        Assert.Equal(["ollama.placement.parallel 3 {request} instance=i model=a:latest"], _measured);
    }

    private void Record(Instrument instrument, long value, ReadOnlySpan<KeyValuePair<string, object?>> labels) =>
        _measured.Add($"{instrument.Name} {value} {instrument.Unit ?? "-"} {string.Join(' ', labels.ToArray().Select(l => $"{l.Key}={l.Value}"))}");
}
