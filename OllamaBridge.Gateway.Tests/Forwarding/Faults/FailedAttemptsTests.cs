using System.Text;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Gateway.Tests.Forwarding.Faults;

public sealed class FailedAttemptsTests : IDisposable
{
    private readonly FakeTimeProvider _clock = new(FleetBuilder.Day);
    private readonly FakeFleet _fleet = new();
    private readonly FleetBuilder _builder = new FleetBuilder().With("i", slots: 4).With("j", slots: 4);
    private readonly RepeatedFailures _memory;
    private readonly FaultRecorder _recorder;
    private readonly List<ReplayableBody> _bodies = [];

    public FailedAttemptsTests()
    {
        _fleet.Publish(_builder.Build());
        _memory = new RepeatedFailures(_clock);
        _recorder = new FaultRecorder(TestCalls.Outcomes(_clock, _fleet), _memory);
    }

    public void Dispose() => _bodies.ForEach(b => b.Dispose());

    [Fact]
    public async Task Add_Refused_BlamesInstanceAtOnce()
    {
        var (call, faults) = await BeginAsync();
        Fail(call, faults, "i", InstanceFailure.Refused);
        Assert.Equal([(_builder["i"], InstanceFailure.Refused)], _fleet.Failures);
    }

    [Fact]
    public async Task Add_ServerError_JudgedOnlyByAnotherInstancesResponse()
    {
        var (call, faults) = await BeginAsync();
        Fail(call, faults, "i", InstanceFailure.ServerError);
        Assert.Empty(_fleet.Failures);
        faults.Answered(_builder["j"]);
        Assert.Equal([(_builder["i"], InstanceFailure.ServerError)], _fleet.Failures);
    }

    [Fact]
    public async Task Answered_BySameInstance_NoBlame()
    {
        var (call, faults) = await BeginAsync();
        Fail(call, faults, "i", InstanceFailure.ServerError);
        faults.Answered(_builder["i"]);
        faults.End();
        Assert.Empty(_fleet.Failures);
    }

    [Fact]
    public async Task Answered_ByOtherModel_NoBlame()
    {
        var (call, faults) = await BeginAsync();
        Fail(call, faults, "i", InstanceFailure.ServerError);
        call.Model.Key = "b:latest";
        faults.Answered(_builder["j"]);
        faults.End();
        Assert.Empty(_fleet.Failures);
    }

    [Fact]
    public async Task End_OnlyOneInstanceTried_NoBlame()
    {
        var (call, faults) = await BeginAsync();
        Fail(call, faults, "i", InstanceFailure.ServerError);
        faults.End();
        Assert.Empty(_fleet.Failures);
        Assert.False(_memory.IsKnown(call));
    }

    [Theory]
    [InlineData(InstanceFailure.ServerError, InstanceFailure.ServerError, true)]
    [InlineData(InstanceFailure.ServerError, InstanceFailure.OutOfMemory, false)]
    [InlineData(InstanceFailure.TimedOut, InstanceFailure.TimedOut, false)] // temporary
    public async Task End_TwoInstancesFailed_RequestIsKnownToFailIfAlike(object first, object second, bool expected)
    {
        var (call, faults) = await BeginAsync();
        Fail(call, faults, "i", (InstanceFailure)first);
        Fail(call, faults, "j", (InstanceFailure)second);
        Assert.Equal(expected, faults.FailsEverywhere);
        faults.End();
        Assert.Empty(_fleet.Failures);
        Assert.Equal(expected, _memory.IsKnown(call));
        Assert.Equal(expected, _recorder.Begin(call).IsKnownToFail);
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)] // the stream that has begun may still fail as before
    public async Task Answered_RequestKnownToFail_ForgottenIfAnotherInstanceFailedIt(bool hasFailed, bool isKnown)
    {
        var (call, faults) = await BeginAsync();
        _memory.Add(call, "a:latest");
        faults.Restart();
        Assert.True(faults.IsKnownToFail);
        if (hasFailed)
            faults.Add(Attempt(call, faults, "j"), InstanceFailure.ServerError);
        faults.Answered(_builder["i"]);
        Assert.Equal(isKnown, _memory.IsKnown(call));
    }

    [Fact]
    public async Task Restart_FewerLayers_RequestIsADifferentOne()
    {
        var (call, faults) = await BeginAsync();
        _memory.Add(call, "a:latest");
        faults.HasFewerLayers = true;
        faults.Restart();
        Assert.False(faults.IsKnownToFail);
    }

    [Fact]
    public async Task Add_AttemptWithdrawn_NoEvidence()
    {
        var (call, faults) = await BeginAsync();
        var attempt = Attempt(call, faults, "i");
        attempt.Overtake();
        faults.Add(attempt, InstanceFailure.Overtaken);
        faults.Answered(_builder["j"]);
        Assert.Empty(_fleet.Failures);
    }

    [Fact]
    public async Task Add_ResponseBrokeOffAfterSuccess_InstanceHasNotAnswered()
    {
        var (call, faults) = await BeginAsync();
        faults.Answered(_builder["i"]);
        Fail(call, faults, "i", InstanceFailure.Broken);
        Assert.Empty(_fleet.Failures);
        faults.Answered(_builder["j"]);
        Assert.Equal([(_builder["i"], InstanceFailure.Broken)], _fleet.Failures);
    }

    [Fact]
    public async Task Answered_SameRequestAtOtherInstanceBefore_RequestIsAtFault()
    {
        var (call, first) = await BeginAsync();
        Fail(call, first, "i", InstanceFailure.ServerError);
        first.Answered(_builder["j"]);
        var second = _recorder.Begin(call);
        Fail(call, second, "j", InstanceFailure.ServerError);
        second.Answered(_builder["i"]);
        Assert.Equal([(_builder["i"], InstanceFailure.ServerError)], _fleet.Failures);
    }

    [Fact]
    public async Task Answered_BusyInstance_PausedWithoutFailure()
    {
        var (call, faults) = await BeginAsync();
        var attempt = Attempt(call, faults, "i");
        (attempt.Result.Status, attempt.Result.BusyFor) = (503, TimeSpan.FromSeconds(3));
        faults.Add(attempt, InstanceFailure.ServerError);
        faults.Answered(_builder["j"]);
        Assert.Empty(_fleet.Failures);
        Assert.Equal(PlacementCondition.Busy, attempt.Lease.Placement.State.Guard!.ConditionAt(_clock.GetTimestamp()));
    }

    [Theory]
    [InlineData(501, false, true)]
    [InlineData(500, true, true)] // the request has a value that every server refuses
    [InlineData(500, false, false)]
    public async Task Add_ServerErrorOfRequest_RequestFault(int status, bool hasInvalidValue, bool expected)
    {
        var (call, faults) = await BeginAsync(new RequestFacts { HasInvalidValue = hasInvalidValue });
        Fail(call, faults, "i", InstanceFailure.ServerError, status);
        Assert.Equal(expected, call.Result.IsRequestFault);
    }

    private void Fail(ForwardedCall call, FailedAttempts faults, string instance, InstanceFailure failure, int status = 0)
    {
        var attempt = Attempt(call, faults, instance);
        attempt.Result.Status = status;
        faults.Add(attempt, failure);
    }

    private ForwardAttempt Attempt(ForwardedCall call, FailedAttempts faults, string instance) =>
        TestCalls.Attempt(call, Deciding.Take(_builder, instance, time: _clock), _clock, gone: TestContext.Current.CancellationToken, faults: faults);

    private async Task<(ForwardedCall Call, FailedAttempts Faults)> BeginAsync(RequestFacts facts = default)
    {
        var body = await ReplayableBody.ReadAsync(new MemoryStream(Encoding.UTF8.GetBytes("{}")), null, 1024, TestContext.Current.CancellationToken);
        _bodies.Add(body!);
        var call = TestCalls.Create(model: "a:latest", facts: facts, body: body);
        return (call, _recorder.Begin(call));
    }
}
