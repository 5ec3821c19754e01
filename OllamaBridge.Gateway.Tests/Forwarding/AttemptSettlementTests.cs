using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;
using OllamaBridge.Testing.Queueing;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Gateway.Tests.Forwarding;

public sealed class AttemptSettlementTests : IDisposable
{
    private const string DoneLine = """{"done":true,"prompt_eval_count":40,"eval_count":10}""" + "\n";
    private readonly FakeTimeProvider _clock = new();
    private readonly TestMeters _meters = new();
    private readonly FakeFleet _fleet = new();
    private readonly FleetBuilder _builder = new FleetBuilder().With("i", loaded: "a").With("j", loaded: "a").With("cold");
    private readonly AttemptSettlement _settlement;

    public AttemptSettlementTests()
    {
        _fleet.Publish(_builder.Build());
        _settlement = new AttemptSettlement(
            TestCalls.Outcomes(_clock, _fleet), _fleet, new ForwardingMetrics(_meters), NullLogger<AttemptSettlement>.Instance);
    }

    public void Dispose() => _meters.Dispose();

    [Fact]
    public void Settle_Completed_RecordsSuccess()
    {
        var attempt = Attempt(facts: new RequestFacts { Demands = new RequestDemands { Context = 4096 } });
        _settlement.Settle(attempt, new AttemptOutcome.Completed());
        Assert.Null(attempt.Call.Result.Outcome);
        Assert.True(attempt.Lease.Answered);
        Assert.Equal([_builder["i"]], _fleet.Successes);
        Assert.Equal(4096, attempt.Lease.Placement.State.LastContext);
        Assert.False(IsRecorded(attempt, InstanceFailure.ServerError));
    }

    [Fact]
    public void Settle_Rejected_NoEvidenceAboutInstance()
    {
        var attempt = Attempt();
        _settlement.Settle(attempt, new AttemptOutcome.Rejected());
        Assert.Null(attempt.Call.Result.Outcome);
        Assert.True(attempt.Lease.Answered);
        Assert.Empty(_fleet.Successes);
        Assert.False(IsRecorded(attempt, InstanceFailure.ServerError));
    }

    [Fact]
    public void Settle_ErrorDelivered_RecordsItsFailure()
    {
        var attempt = Attempt();
        _settlement.Settle(attempt, new AttemptOutcome.ErrorDelivered(InstanceFailure.OutOfMemory));
        Assert.Null(attempt.Call.Result.Outcome);
        Assert.False(attempt.Lease.Answered);
        Assert.True(IsRecorded(attempt, InstanceFailure.OutOfMemory));
    }

    [Fact]
    public void Settle_TransferFailed_FailedWithServerError()
    {
        var attempt = Attempt("/api/pull");
        _settlement.Settle(attempt, new AttemptOutcome.TransferFailed());
        Assert.Equal(RequestOutcome.Failed, attempt.Call.Result.Outcome);
        Assert.False(attempt.Lease.Answered);
        Assert.True(IsRecorded(attempt, InstanceFailure.ServerError));
    }

    [Fact]
    public void Settle_Truncated_TruncatedWithItsFailure()
    {
        var attempt = Attempt();
        _settlement.Settle(attempt, new AttemptOutcome.Truncated(InstanceFailure.Broken));
        Assert.Equal(RequestOutcome.Truncated, attempt.Call.Result.Outcome);
        Assert.False(attempt.Lease.Answered);
        Assert.True(IsRecorded(attempt, InstanceFailure.Broken));
    }

    [Fact]
    public void Settle_Abandoned_CancelledWithoutFault()
    {
        var attempt = Attempt();
        _settlement.Settle(attempt, new AttemptOutcome.Abandoned());
        Assert.Equal(RequestOutcome.Cancelled, attempt.Call.Result.Outcome);
        Assert.False(attempt.Lease.Answered);
        Assert.False(IsRecorded(attempt, InstanceFailure.Broken));
    }

    [Fact]
    public void Settle_Interrupted_StaysOpen()
    {
        using var transcript = new ResponseTranscript(1024) { Pieces = 7, End = { PromptTokens = 12 } };
        var attempt = Attempt(instance: "cold");
        attempt.Call.Response.Transcript = transcript;
        Charge(attempt.Call);
        _settlement.Settle(attempt, new AttemptOutcome.Interrupted(Interruption.Reset));
        Assert.Equal((12, 7, (RequestOutcome?)null), (attempt.Call.Result.InputTokens, attempt.Call.Result.OutputTokens, attempt.Call.Result.Outcome));
        Assert.Same(_builder["cold"], attempt.Call.Result.AnsweredBy);
        Assert.True(attempt.Call.Wait.Charge.IsMade);
        Assert.Empty(_fleet.Probes);
        Assert.False(IsRecorded(attempt, InstanceFailure.Broken));
    }

    public static TheoryData<string> Unfinished() => ["cut off", "invalid body", "too long", "queue full", "failed"];

    [Theory]
    [MemberData(nameof(Unfinished))]
    public void Settle_RequestNotEnded_Throws(string name)
    {
        AttemptOutcome outcome = name switch
        {
            "cut off" => new AttemptOutcome.CutOff(),
            "invalid body" => new AttemptOutcome.InvalidBody(400),
            "too long" => new AttemptOutcome.TooLong(),
            "queue full" => new AttemptOutcome.QueueFull(TimeSpan.Zero),
            _ => new AttemptOutcome.Failed(InstanceFailure.Refused),
        };
        Assert.Throws<ArgumentException>("outcome", () => _settlement.Settle(Attempt(), outcome));
    }

    [Fact]
    public void Settle_EndedWithWatcher_ItsTokensAndInstance()
    {
        using var transcript = new ResponseTranscript(1024) { Pieces = 7 };
        var attempt = Attempt();
        attempt.Call.Response.Transcript = transcript;
        attempt.Watcher = StreamWatcher.For(StreamEnd.Done);
        attempt.Watcher.Observe(Encoding.UTF8.GetBytes(DoneLine));
        _settlement.Settle(attempt, new AttemptOutcome.Completed());
        Assert.Equal((40, 10), (attempt.Call.Result.InputTokens, attempt.Call.Result.OutputTokens));
        Assert.Same(_builder["i"], attempt.Call.Result.AnsweredBy);
    }

    [Fact]
    public void Settle_EndedWithTranscript_ReportedTokensBeforeCounted()
    {
        using var transcript = new ResponseTranscript(1024) { Pieces = 7, End = { PromptTokens = 12, Tokens = 9 } };
        var attempt = Attempt();
        attempt.Call.Response.Transcript = transcript;
        _settlement.Settle(attempt, new AttemptOutcome.Completed());
        Assert.Equal((12, 9), (attempt.Call.Result.InputTokens, attempt.Call.Result.OutputTokens));
    }

    [Fact]
    public void Settle_ResponseInOnePiece_KeepsItsTokens()
    {
        var attempt = Attempt();
        (attempt.Call.Result.InputTokens, attempt.Call.Result.OutputTokens) = (3, 4);
        _settlement.Settle(attempt, new AttemptOutcome.Completed());
        Assert.Equal((3, 4), (attempt.Call.Result.InputTokens, attempt.Call.Result.OutputTokens));
    }

    [Fact]
    public void Settle_Charged_SettlesOnce()
    {
        var attempt = Attempt();
        (attempt.Call.Result.InputTokens, attempt.Call.Result.OutputTokens) = (40, 10);
        var counter = Charge(attempt.Call);
        _settlement.Settle(attempt, new AttemptOutcome.Completed());
        Assert.Equal((40 + (2 * 10), 0), (counter.Value, counter.Running));
        _settlement.Settle(attempt, new AttemptOutcome.Completed());
        Assert.Equal((40 + (2 * 10), 0), (counter.Value, counter.Running));
    }

    [Theory]
    [InlineData("/api/chat", "i", null, false, false)]
    [InlineData("/api/chat", "cold", null, false, true)] // the model had to be loaded
    [InlineData("/api/chat", "i", 0, false, true)] // keep_alive 0 unloads it
    [InlineData("/api/chat", "i", 60, false, false)]
    [InlineData("/api/chat", "i", null, true, true)] // its runner may have died
    [InlineData("/api/pull", "cold", null, true, false)]
    public void Settle_MemoryMayHaveChanged_RequestsProbe(string path, string instance, int? keepAlive, bool isTruncated, bool expected)
    {
        var facts = new RequestFacts { Demands = new RequestDemands { KeepAlive = keepAlive is { } seconds ? TimeSpan.FromSeconds(seconds) : null } };
        var attempt = Attempt(path, instance, facts);
        attempt.Result.IsTruncated = isTruncated;
        _settlement.Settle(attempt, isTruncated ? new AttemptOutcome.Truncated(InstanceFailure.Broken) : new AttemptOutcome.Completed());
        Assert.Equal(expected ? [_builder[instance]] : [], _fleet.Probes);
    }

    private static TenantCounter Charge(ForwardedCall call)
    {
        var counters = new VirtualCounters();
        var counter = counters.Admit("team", cost: 100, perAnswerToken: 2, out var expected);
        call.Wait.Charge = new TokenCharge(counters, counter, new TokenPrices(Input: 1, Output: 2), Weight: 1, InputTokens: 100, expected);
        return counter;
    }

    /// <summary>Whether a failure of the attempt was recorded: then an equal failure of another instance shows that the request fails everywhere.</summary>
    private bool IsRecorded(ForwardAttempt attempt, InstanceFailure failure)
    {
        var other = TestCalls.Attempt(attempt.Call, Deciding.Take(_builder, "j", time: _clock), _clock, faults: attempt.Faults);
        attempt.Faults.Add(other, failure);
        return attempt.Faults.FailsEverywhere;
    }

    private ForwardAttempt Attempt(string path = "/api/chat", string instance = "i", RequestFacts facts = default)
    {
        var call = TestCalls.Create(path, "a:latest", facts);
        return TestCalls.Attempt(call, Deciding.Take(_builder, instance, time: _clock), _clock, faults: TestCalls.Faults(call, _clock, _fleet));
    }
}
