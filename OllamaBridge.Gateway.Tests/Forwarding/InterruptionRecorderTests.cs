using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Protocols.Answers;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;
using OllamaBridge.Testing.Queueing;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Gateway.Tests.Forwarding;

public sealed class InterruptionRecorderTests : IDisposable
{
    private readonly FakeTimeProvider _clock = new(FleetBuilder.Day);
    private readonly TestMeters _meters = new();
    private readonly FakeFleet _fleet = new();
    private readonly FleetBuilder _builder = new FleetBuilder().With("i").With("j");
    private readonly InterruptionRecorder _recorder;

    public InterruptionRecorderTests()
    {
        _fleet.Publish(_builder.Build());
        _recorder = new InterruptionRecorder(new ResumptionMetrics(_meters), _clock, NullLogger<InterruptionRecorder>.Instance);
    }

    public void Dispose() => _meters.Dispose();

    [Theory]
    [InlineData(Interruption.Reset, InstanceFailure.Broken)]
    [InlineData(Interruption.EndedEarly, InstanceFailure.Broken)]
    [InlineData(Interruption.InstanceLost, InstanceFailure.Broken)]
    [InlineData(Interruption.Stalled, InstanceFailure.TimedOut)]
    [InlineData(Interruption.ErrorTold, InstanceFailure.ServerError)]
    [InlineData(Interruption.Unreadable, null)] // the bridge's fault
    [InlineData(Interruption.Drained, null)]
    [InlineData(Interruption.Stopped, null)]
    public void RecordInterruption_OtherInstanceResponds_BlamesInstanceForItsFailure(object cause, object? failure)
    {
        var attempt = Attempt();
        _recorder.RecordInterruption(attempt, (Interruption)cause);
        attempt.Faults.Answered(_builder["j"]);
        Assert.Equal(failure is null ? [] : [(_builder["i"], (InstanceFailure)failure)], _fleet.Failures);
        Assert.Equal([(Interruption)cause], attempt.Call.Response.Interruptions!);
    }

    [Fact]
    public void RecordInterruption_ErrorAboutMemory_MarksModelAsTooLarge()
    {
        var attempt = Attempt();
        attempt.ErrorLine = Encoding.UTF8.GetBytes("""{"error":"model requires more system memory (9.5 GiB) than is available (2.7 GiB)"}""");
        _recorder.RecordInterruption(attempt, Interruption.ErrorTold);
        attempt.Faults.Answered(_builder["j"]);
        Assert.Equal(PlacementCondition.ShortOfMemory, attempt.Lease.Placement.State.Guard!.ConditionAt(_clock.GetTimestamp()));
    }

    [Fact]
    public void RecordInterruption_Transcript_AddsDurationAndClearsEnd()
    {
        using var transcript = new ResponseTranscript(1024) { EarlierDuration = 1_000_000_000, End = { Tokens = 5 } };
        var attempt = Attempt();
        attempt.Call.Response.Transcript = transcript;
        _clock.Advance(TimeSpan.FromSeconds(2));
        attempt.Timeline.AddBytes();
        _clock.Advance(TimeSpan.FromSeconds(7)); // the silence is not the instance's work
        _recorder.RecordInterruption(attempt, Interruption.Stalled);
        Assert.Equal(3_000_000_000, transcript.EarlierDuration);
        Assert.Null(transcript.End.Tokens);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void RecordInterruption_Again_SilenceBeginsAnewOnlyAfterMessages(bool hasMessages)
    {
        var call = TestCalls.Create(model: "a:latest");
        var first = Attempt(call);
        _recorder.RecordInterruption(first, Interruption.Reset);
        var since = call.Response.SilentSince;
        Assert.Equal(first.Timeline.SentAt, since);
        _clock.Advance(TimeSpan.FromSeconds(1));
        var second = Attempt(call, "j");
        if (hasMessages)
            second.Timeline.AddMessage();
        _recorder.RecordInterruption(second, Interruption.Reset);
        Assert.Equal(hasMessages ? second.Timeline.SentAt : since, call.Response.SilentSince);
        Assert.Equal(2, call.Response.Interruptions!.Count);
    }

    private ForwardAttempt Attempt(ForwardedCall? call = null, string instance = "i")
    {
        call ??= TestCalls.Create(model: "a:latest");
        return TestCalls.Attempt(call, Deciding.Take(_builder, instance, time: _clock), _clock, faults: TestCalls.Faults(call, _clock, _fleet));
    }
}
