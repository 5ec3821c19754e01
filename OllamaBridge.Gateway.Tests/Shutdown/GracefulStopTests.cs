using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Shutdown;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.Tests.Shutdown;

public sealed class GracefulStopTests : IDisposable
{
    // Reached only if a test fails.
    private static readonly TimeSpan Guard = TestTimeouts.Guard;
    private readonly FakeTimeProvider _clock = new();
    private readonly FakeLifetime _lifetime = new();
    private readonly HostOptions _host = new();
    private GracefulStop? _stop;
    private int _over;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _stop?.Dispose();
        _lifetime.Dispose();
    }

    [Fact]
    public async Task Stopping_NothingRuns_Completes()
    {
        var stop = Make();
        stop.Enter();
        stop.Leave();
        Assert.False(stop.IsStopping);
        await stop.StoppingAsync(Cancelled).WaitAsync(Guard, Cancelled);
        Assert.True(stop.IsStopping);
        Assert.False(stop.IsOver);
    }

    [Fact]
    public async Task Signal_BeforeHostStops_NotReadyAndNoNewRequests()
    {
        var stop = Make();
        var health = new StopHealthCheck(stop);
        Assert.Equal(HealthStatus.Healthy, (await health.CheckHealthAsync(new HealthCheckContext(), Cancelled)).Status);
        _lifetime.StopApplication();
        Assert.True(stop.IsStopping);
        Assert.Equal(HealthStatus.Unhealthy, (await health.CheckHealthAsync(new HealthCheckContext(), Cancelled)).Status);
    }

    [Fact]
    public async Task Stopping_RequestsRun_CompletesWithLastDespiteRefusedRequests()
    {
        var stop = Make();
        stop.Enter();
        stop.Enter();
        var stopping = stop.StoppingAsync(Cancelled);
        stop.Leave();
        for (var i = 0; i < 3; i++)
        {
            stop.Enter(); // after the signal
            stop.Leave();
        }

        Assert.False(stopping.IsCompleted);
        stop.Leave();
        await stopping.WaitAsync(Guard, Cancelled);
        Assert.False(stop.IsOver);
        Assert.Equal(0, _over);
    }

    [Fact]
    public async Task Stopping_GracePeriodOver_RunningRequestsNotifiedAndAwaitedBriefly()
    {
        var stop = Make();
        stop.Enter();
        var stopping = stop.StoppingAsync(Cancelled);
        _clock.Advance(TimeSpan.FromSeconds(9.9));
        Assert.False(stop.IsOver);
        _clock.Advance(TimeSpan.FromSeconds(0.2));
        await UntilAsync(() => stop.IsOver);
        Assert.False(stopping.IsCompleted);
        stop.Leave();
        await stopping.WaitAsync(Guard, Cancelled);
        Assert.Equal(1, _over);
    }

    [Fact]
    public async Task Stopping_RequestsNeverEnd_WaitIsBounded()
    {
        var stop = Make();
        stop.Enter();
        var stopping = stop.StoppingAsync(Cancelled);
        _clock.Advance(TimeSpan.FromSeconds(10));
        await UntilAsync(() => _over == 1);
        while (!stopping.IsCompleted)
        {
            _clock.Advance(TimeSpan.FromSeconds(1)); // the wait can begin after this line
            await Task.Yield();
        }

        await stopping;
    }

    [Fact]
    public async Task Stopping_Delay_AcceptsRequestsForDelayAndAwaitsThem()
    {
        var stop = Make(new ShutdownOptions { GracePeriod = TimeSpan.FromSeconds(10), Delay = TimeSpan.FromSeconds(4) });
        _lifetime.StopApplication();
        Assert.Equal((true, false), (stop.IsLeaving, stop.IsStopping));
        Assert.Equal(HealthStatus.Unhealthy, (await new StopHealthCheck(stop).CheckHealthAsync(new HealthCheckContext(), Cancelled)).Status);
        var stopping = stop.StoppingAsync(Cancelled);
        stop.Enter();
        stop.Leave();
        stop.Enter();
        _clock.Advance(TimeSpan.FromSeconds(3.9));
        Assert.Equal((false, false), (stop.IsStopping, stopping.IsCompleted));
        _clock.Advance(TimeSpan.FromSeconds(0.2));
        await UntilAsync(() => stop.IsStopping);
        Assert.False(stopping.IsCompleted);
        stop.Leave();
        await stopping.WaitAsync(Guard, Cancelled);
        Assert.False(stop.IsOver);
    }

    [Fact]
    public async Task Stopping_Delay_AlsoWithoutRequests()
    {
        var stop = Make(new ShutdownOptions { GracePeriod = TimeSpan.FromSeconds(10), Delay = TimeSpan.FromSeconds(4) });
        var stopping = stop.StoppingAsync(Cancelled);
        _clock.Advance(TimeSpan.FromSeconds(3.9));
        Assert.False(stopping.IsCompleted);
        _clock.Advance(TimeSpan.FromSeconds(0.2));
        await stopping.WaitAsync(Guard, Cancelled);
    }

    [Fact]
    public void Validate_DelayLongerThanGracePeriod_Error() => Assert.Contains(
        "Bridge:Shutdown:Delay",
        new ShutdownTimesValidator().Validate(null, new ShutdownOptions { Delay = TimeSpan.FromMinutes(5) }).FailureMessage,
        StringComparison.Ordinal);

    private GracefulStop Make(ShutdownOptions? options = null)
    {
        _stop = new GracefulStop(
            _lifetime,
            Options.Create(options ?? new ShutdownOptions { GracePeriod = TimeSpan.FromSeconds(10) }),
            Options.Create(_host),
            _clock,
            NullLogger<GracefulStop>.Instance);
        Assert.Equal(TimeSpan.FromSeconds(20), _host.ShutdownTimeout); // the grace period and time to end the responses with an error
        _stop.Over += () => _over++;
        return _stop;
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var patience = new CancellationTokenSource(Guard);
        while (!condition())
        {
            patience.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }
}
