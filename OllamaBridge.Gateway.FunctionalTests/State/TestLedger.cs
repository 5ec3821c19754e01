using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.State;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.FunctionalTests.State;

/// <summary>A gateway's ledger without the gateway.</summary>
internal sealed class TestLedger : IAsyncDisposable
{
    private readonly TestConnection _connection;
    private readonly MeterListener _listener = new();
    private readonly LedgerWriter _writer;
    private long _dropped;

    private TestLedger(string address, LedgerOptions options)
    {
        _connection = new TestConnection(address, probeInterval: TimeSpan.FromMilliseconds(50));
        Store = new RedisLedgerStore(_connection.State.Open("ledger", ""), options, TimeProvider.System);
        var all = Options.Create(options);
        Ledger = new RedisLedger(Store, new MemoryLedger(all), all, _connection.Metrics, NullLogger<RedisLedger>.Instance);
        _writer = new LedgerWriter(Ledger, _connection.Metrics, TimeProvider.System, NullLogger<LedgerWriter>.Instance);
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == TelemetryNames.LedgerDropped && ReferenceEquals(instrument.Meter.Scope, _connection.Meters))
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((_, count, _, _) => Interlocked.Add(ref _dropped, count));
        _listener.Start();
    }

    public RedisLedger Ledger { get; }

    public RedisLedgerStore Store { get; }

    public bool IsHealthy => Store.IsHealthy;

    /// <summary>The number of dropped records, according to the metric.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    public static async Task<TestLedger> StartAsync(string address, LedgerOptions options)
    {
        var ledger = new TestLedger(address, options);
        await ledger._connection.StartAsync();
        await ledger._writer.StartAsync(TestContext.Current.CancellationToken);
        return ledger;
    }

    /// <summary>Stops the ledger as the host does: waiting records are written.</summary>
    public async Task StopAsync()
    {
        await _writer.StopAsync(CancellationToken.None);
        await _writer.StoppedAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _writer.Dispose();
        await _connection.DisposeAsync();
        _listener.Dispose();
    }
}
