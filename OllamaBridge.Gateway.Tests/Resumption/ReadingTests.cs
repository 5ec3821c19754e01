using System.IO.Pipelines;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;

namespace OllamaBridge.Gateway.Tests.Resumption;

/// <summary>Only time in which the instance's stream is read counts as silence.</summary>
public sealed class ReadingTests
{
    private readonly FakeTimeProvider _clock = new();
    private readonly Pipe _pipe = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ReadAsync_SlowClient_NotCountedAsSilence()
    {
        var attempt = Attempt();
        using var kept = new ResponseTranscript(1024);
        using var held = new BufferedBytes();
        await using var stream = new PassthroughStream(
            _pipe.Reader.AsStream(), held, ResponseReader.For(attempt.Call.Operation, kept)!, kept, attempt, () => ResponseWriter.For(attempt.Call.ResponseContext, kept, _clock));
        var buffer = new byte[4096];

        await SendAsync("a");
        Assert.NotEqual(0, await stream.ReadAsync(buffer, Token));
        // The data was passed on and no read is pending, so the client causes the further delay.
        Assert.Equal(0, attempt.Timeline.ReadingSince);
        _clock.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal(0, attempt.Timeline.ReadingSince);

        var reading = stream.ReadAsync(buffer, Token).AsTask();
        Assert.Equal(_clock.GetTimestamp(), attempt.Timeline.ReadingSince);
        _clock.Advance(TimeSpan.FromSeconds(7));
        attempt.GiveUp(Interruption.Stalled);

        Assert.Equal(0, await reading);
        Assert.Equal(Interruption.Stalled, attempt.Interrupted);
        Assert.Equal("a", kept.Text.ToString());
    }

    [Fact]
    public async Task ReadAsync_EmptyRead_CountedAsSilence()
    {
        var attempt = Attempt();
        using var kept = new ResponseTranscript(1024);
        using var held = new BufferedBytes();
        await using var stream = new PassthroughStream(
            _pipe.Reader.AsStream(), held, ResponseReader.For(attempt.Call.Operation, kept)!, kept, attempt, () => ResponseWriter.For(attempt.Call.ResponseContext, kept, _clock));

        var asking = stream.ReadAsync(Memory<byte>.Empty, Token).AsTask();
        Assert.NotEqual(0, attempt.Timeline.ReadingSince);
        await SendAsync("a");

        Assert.Equal(0, await asking);
        Assert.Equal(0, attempt.Timeline.ReadingSince);
        Assert.Null(attempt.Interrupted);
    }

    private ForwardAttempt Attempt()
    {
        var fleet = new FleetBuilder().With("i");
        fleet.Build();
        var attempt = TestCalls.Attempt(TestCalls.Create(), InstanceLease.WithoutSlot(fleet.Placement("i"), _clock), _clock);
        Assert.True(attempt.TryBegin());
        return attempt;
    }

    private async Task SendAsync(string word) => await _pipe.Writer.WriteAsync(
        System.Text.Encoding.UTF8.GetBytes($$"""{"model":"m","created_at":"2026-11-23T21:11:22Z","message":{"role":"assistant","content":"{{word}}"},"done":false}""" + "\n"), Token);
}
