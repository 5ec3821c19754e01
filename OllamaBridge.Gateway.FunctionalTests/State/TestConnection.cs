using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.State;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Queueing;

namespace OllamaBridge.Gateway.FunctionalTests.State;

/// <summary>A gateway's state connection without the gateway.</summary>
internal sealed class TestConnection : IAsyncDisposable
{
    private readonly TestMeters _meters = new();

    public TestConnection(string connectionString, string prefix = "test:", TimeSpan? probeInterval = null, TimeSpan? operationTimeout = null)
    {
        // Long, so that a busy machine does not cause a failure.
        var options = new StateOptions { ConnectionString = connectionString, KeyPrefix = prefix, OperationTimeout = operationTimeout ?? TimeSpan.FromSeconds(20) };
        if (probeInterval is { } interval)
            options = options with { ProbeInterval = interval };
        State = new StateConnection(
            Options.Create(options), TimeProvider.System, NullLogger<StateConnection>.Instance, Metrics = new StateMetrics(_meters));
    }

    public StateConnection State { get; }

    public StateMetrics Metrics { get; }

    public TestMeters Meters => _meters;

    public async Task StartAsync()
    {
        await State.StartingAsync(TestContext.Current.CancellationToken);
        await State.StartAsync(TestContext.Current.CancellationToken);
    }

    public static async Task<TestConnection> OpenAsync(int port)
    {
        var connection = new TestConnection($"127.0.0.1:{port}");
        await connection.StartAsync();
        await Poll.UntilAsync(() => connection.State.IsHealthy);
        return connection;
    }

    public async ValueTask DisposeAsync()
    {
        await State.StopAsync(CancellationToken.None);
        State.Dispose();
        _meters.Dispose();
    }
}
