using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Pipeline;
using OllamaBridge.Gateway.Shutdown;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.Tests.Pipeline;

public sealed class ShutdownStageTests : IDisposable
{
    private readonly FakeLifetime _lifetime = new();
    private GracefulStop? _stop;

    public void Dispose()
    {
        _stop?.Dispose();
        _lifetime.Dispose();
    }

    [Fact]
    public async Task Invoke_Running_PassesAndKeepsConnection()
    {
        var context = StageContext.Create();
        Assert.True(await StageContext.PassesAsync(Stage(TimeSpan.Zero), context));
        Assert.False(context.Response.Headers.ContainsKey("Connection"));
    }

    [Fact]
    public async Task Invoke_SignalledWithDelay_PassesAndClosesConnection()
    {
        var stage = Stage(TimeSpan.FromSeconds(1));
        _lifetime.StopApplication();
        var context = StageContext.Create();
        Assert.True(await StageContext.PassesAsync(stage, context));
        Assert.Equal("close", context.Response.Headers.Connection);
    }

    [Fact]
    public async Task Invoke_Stopping_503InClientsProtocol()
    {
        var stage = Stage(TimeSpan.Zero);
        _lifetime.StopApplication();
        var context = StageContext.Create("/v1/messages");
        Assert.False(await StageContext.PassesAsync(stage, context));
        Assert.Equal((503, "close"), (context.Response.StatusCode, context.Response.Headers.Connection.ToString()));
        Assert.Single(context.Response.Headers.RetryAfter.ToArray());
        Assert.Contains("overloaded_error", StageContext.Sent(context), StringComparison.Ordinal);
    }

    private ShutdownStage Stage(TimeSpan delay)
    {
        _stop = new GracefulStop(
            _lifetime,
            Options.Create(new ShutdownOptions { Delay = delay, GracePeriod = TimeSpan.FromSeconds(10) }),
            Options.Create(new HostOptions()),
            new FakeTimeProvider(),
            NullLogger<GracefulStop>.Instance);
        return new ShutdownStage(_stop);
    }
}
