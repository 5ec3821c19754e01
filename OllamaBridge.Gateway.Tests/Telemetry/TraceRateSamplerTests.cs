using System.Diagnostics;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Telemetry;
using OpenTelemetry.Trace;

namespace OllamaBridge.Gateway.Tests.Telemetry;

public sealed class TraceRateSamplerTests
{
    private readonly FakeTimeProvider _clock = new();

    [Fact]
    public void ShouldSample_MoreThanRate_FirstAreSampled()
    {
        var sampler = new TraceRateSampler(3, _clock);
        Assert.Equal([true, true, true, false, false], Ask(sampler, 5));
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal([true, true, true, false], Ask(sampler, 4));
    }

    [Fact]
    public void ShouldSample_IdleSeconds_NotSavedUp()
    {
        var sampler = new TraceRateSampler(2, _clock);
        _clock.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal([true, true, false], Ask(sampler, 3));
    }

    [Fact]
    public void ShouldSample_RateZero_None() => Assert.Equal([false, false], Ask(new TraceRateSampler(0, _clock), 2));

    [Fact]
    public void ShouldSample_Concurrent_NeverAboveRate()
    {
        var sampler = new TraceRateSampler(100, _clock);
        var taken = 0;
        Parallel.For(0, 10_000, _ =>
        {
            if (Ask(sampler, 1)[0])
                Interlocked.Increment(ref taken);
        });
        Assert.Equal(100, taken);
    }

    private static bool[] Ask(TraceRateSampler sampler, int times) =>
    [
        .. Enumerable.Range(0, times).Select(_ => sampler.ShouldSample(
            new SamplingParameters(default, ActivityTraceId.CreateRandom(), "request", ActivityKind.Server)).Decision == SamplingDecision.RecordAndSample),
    ];
}
