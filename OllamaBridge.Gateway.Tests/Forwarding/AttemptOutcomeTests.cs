using System.Text;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Gateway.Tests.Forwarding;

public sealed class AttemptOutcomeTests
{
    private const string ErrorLine = """{"error":"disk full"}""" + "\n";
    private const string DoneLine = """{"done":true}""" + "\n";
    private readonly FakeTimeProvider _clock = new();

    [Fact]
    public void Of_ResponseDelivered_Completed()
    {
        var attempt = Attempt();
        attempt.Result.IsDelivered = true;
        AssertOutcome(new AttemptOutcome.Completed(), attempt);
    }

    [Fact]
    public void Of_RequestRejected_Rejected()
    {
        var attempt = Attempt();
        (attempt.Result.IsDelivered, attempt.Result.IsRejected) = (true, true);
        AssertOutcome(new AttemptOutcome.Rejected(), attempt);
    }

    [Fact]
    public void Of_ErrorResponseDelivered_ErrorDelivered()
    {
        var attempt = Attempt();
        (attempt.Result.IsDelivered, attempt.Result.Failure) = (true, InstanceFailure.OutOfMemory);
        AssertOutcome(new AttemptOutcome.ErrorDelivered(InstanceFailure.OutOfMemory), attempt);
    }

    [Fact]
    public void Of_PullReportsError_TransferFailed()
    {
        var attempt = Attempt("/api/pull");
        attempt.Result.IsDelivered = true;
        attempt.Watcher = Watch(StreamEnd.Success, ErrorLine);
        AssertOutcome(new AttemptOutcome.TransferFailed(), attempt);
    }

    [Theory]
    [InlineData("/api/chat", false, InstanceFailure.ServerError)]
    [InlineData("/api/chat", true, InstanceFailure.ServerError)]
    [InlineData("/api/pull", true, InstanceFailure.ServerError)] // the bridge's own error follows the instance's
    public void Of_StreamReportsError_Truncated(string path, bool isTruncated, object failure)
    {
        var attempt = Attempt(path);
        (attempt.Result.IsDelivered, attempt.Result.IsTruncated) = (true, isTruncated);
        attempt.Watcher = Watch(StreamEnd.Done, ErrorLine);
        AssertOutcome(new AttemptOutcome.Truncated((InstanceFailure)failure), attempt);
    }

    [Fact]
    public void Of_ResponseBrokeOff_Truncated()
    {
        var attempt = Attempt();
        (attempt.Result.IsDelivered, attempt.Result.IsTruncated) = (true, true);
        attempt.Watcher = Watch(StreamEnd.Done, "");
        AssertOutcome(new AttemptOutcome.Truncated(InstanceFailure.Broken), attempt);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Of_ResumableStream_TruncatedUnlessComplete(bool isComplete)
    {
        using var transcript = new ResponseTranscript(1024);
        var attempt = Attempt();
        (attempt.Result.IsDelivered, attempt.IsComplete) = (true, isComplete);
        attempt.Call.Response.Transcript = transcript;
        AssertOutcome(isComplete ? new AttemptOutcome.Completed() : new AttemptOutcome.Truncated(InstanceFailure.Broken), attempt);
    }

    [Fact]
    public void Of_StreamInterrupted_InterruptedWithCause()
    {
        using var transcript = new ResponseTranscript(1024);
        var attempt = Attempt();
        attempt.Call.Response.Transcript = transcript;
        (attempt.Result.IsDelivered, attempt.Interrupted) = (true, Interruption.Stalled);
        AssertOutcome(new AttemptOutcome.Interrupted(Interruption.Stalled), attempt);
    }

    [Fact]
    public void Of_ProgressBrokeOff_CutOff()
    {
        var attempt = Attempt("/api/pull");
        (attempt.Result.IsDelivered, attempt.Result.IsCutOff) = (true, true);
        AssertOutcome(new AttemptOutcome.CutOff(), attempt);
    }

    [Fact]
    public void Of_BodyFaulty_InvalidBodyWithStatus()
    {
        var attempt = Attempt();
        (attempt.Result.Failure, attempt.Result.BodyFault) = (InstanceFailure.ClientBody, 408);
        AssertOutcome(new AttemptOutcome.InvalidBody(408), attempt);
    }

    [Fact]
    public void Of_OtherBridgeFull_QueueFull()
    {
        var attempt = Attempt();
        (attempt.Result.Failure, attempt.Result.WaitsForRoom, attempt.Result.BusyFor) = (InstanceFailure.ServerError, true, TimeSpan.FromSeconds(2));
        AssertOutcome(new AttemptOutcome.QueueFull(TimeSpan.FromSeconds(2)), attempt);
    }

    [Fact]
    public void Of_InstanceBusyWithoutRoomWait_Failed()
    {
        var attempt = Attempt();
        (attempt.Result.Failure, attempt.Result.BusyFor) = (InstanceFailure.ServerError, TimeSpan.FromSeconds(2));
        AssertOutcome(new AttemptOutcome.Failed(InstanceFailure.ServerError), attempt);
    }

    [Fact]
    public void Of_PromptTooLongForModel_TooLong()
    {
        var attempt = Attempt();
        (attempt.Result.IsRejected, attempt.Result.IsTooLong) = (true, true);
        AssertOutcome(new AttemptOutcome.TooLong(), attempt);
    }

    [Theory]
    [InlineData(InstanceFailure.Refused, InstanceFailure.Refused)]
    [InlineData(null, InstanceFailure.Broken)]
    public void Of_NothingDelivered_Failed(object? failure, object expected)
    {
        var attempt = Attempt();
        attempt.Result.Failure = (InstanceFailure?)failure;
        AssertOutcome(new AttemptOutcome.Failed((InstanceFailure)expected), attempt);
    }

    [Theory]
    [InlineData("failed")]
    [InlineData("body fault")]
    [InlineData("queue full")]
    [InlineData("too long")]
    [InlineData("cut off")]
    [InlineData("truncated")]
    [InlineData("interrupted")]
    [InlineData("stream error")]
    [InlineData("transfer error")]
    [InlineData("delivered")]
    public void Of_ClientGone_Abandoned(string other)
    {
        var attempt = Attempt(other == "transfer error" ? "/api/pull" : "/api/chat", isGone: true);
        Apply(other, attempt);
        AssertOutcome(new AttemptOutcome.Abandoned(), attempt);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Of_ClientGoneAfterEndMarker_Completed(bool isWatched)
    {
        var attempt = Attempt(isGone: true);
        attempt.Result.IsDelivered = true;
        if (isWatched)
            attempt.Watcher = Watch(StreamEnd.Done, DoneLine);
        else
            attempt.IsComplete = true;
        AssertOutcome(new AttemptOutcome.Completed(), attempt);
    }

    [Theory]
    [InlineData("cut off", "truncated", typeof(AttemptOutcome.CutOff))]
    [InlineData("cut off", "failed", typeof(AttemptOutcome.CutOff))]
    [InlineData("cut off", "stream error", typeof(AttemptOutcome.CutOff))]
    [InlineData("interrupted", "truncated", typeof(AttemptOutcome.Interrupted))]
    [InlineData("interrupted", "stream error", typeof(AttemptOutcome.Interrupted))]
    [InlineData("truncated", "error response", typeof(AttemptOutcome.Truncated))]
    [InlineData("stream error", "error response", typeof(AttemptOutcome.Truncated))]
    [InlineData("error response", "rejected", typeof(AttemptOutcome.ErrorDelivered))]
    [InlineData("body fault", "queue full", typeof(AttemptOutcome.InvalidBody))]
    [InlineData("body fault", "too long", typeof(AttemptOutcome.InvalidBody))]
    [InlineData("queue full", "too long", typeof(AttemptOutcome.QueueFull))]
    [InlineData("too long", "failed", typeof(AttemptOutcome.TooLong))]
    [InlineData("delivered", "body fault", typeof(AttemptOutcome.Completed))]
    public void Of_TwoFindings_FirstWins(string first, string second, Type expected)
    {
        foreach (var findings in (string[][])[[first, second], [second, first]])
        {
            var attempt = Attempt();
            foreach (var finding in findings)
                Apply(finding, attempt);
            Assert.IsType(expected, AttemptOutcome.Of(attempt));
        }
    }

    private static void Apply(string finding, ForwardAttempt attempt)
    {
        var result = attempt.Result;
        result.IsDelivered |= finding is "delivered" or "truncated" or "interrupted" or "cut off" or "stream error" or "transfer error" or "error response" or "rejected";
        switch (finding)
        {
            case "failed":
                result.Failure = InstanceFailure.TimedOut;
                break;
            case "body fault":
                result.BodyFault = 400;
                break;
            case "queue full":
                (result.WaitsForRoom, result.BusyFor) = (true, TimeSpan.Zero);
                break;
            case "too long":
                result.IsTooLong = true;
                break;
            case "cut off":
                result.IsCutOff = true;
                break;
            case "truncated":
                result.IsTruncated = true;
                break;
            case "interrupted":
                attempt.Interrupted = Interruption.Reset;
                break;
            case "stream error" or "transfer error":
                attempt.Watcher = Watch(StreamEnd.Done, ErrorLine);
                break;
            case "error response":
                result.Failure = InstanceFailure.ServerError;
                break;
            case "rejected":
                result.IsRejected = true;
                break;
        }
    }

    private static StreamWatcher Watch(StreamEnd end, string stream)
    {
        var watcher = StreamWatcher.For(end);
        watcher.Observe(Encoding.UTF8.GetBytes(stream));
        return watcher;
    }

    private static void AssertOutcome(AttemptOutcome expected, ForwardAttempt attempt) => Assert.Equal(expected, AttemptOutcome.Of(attempt));

    private ForwardAttempt Attempt(string path = "/api/chat", bool isGone = false)
    {
        var fleet = new FleetBuilder().With("i");
        fleet.Build();
        return TestCalls.Attempt(TestCalls.Create(path, "a:latest"), Deciding.Take(fleet, "i", time: _clock), _clock, gone: new CancellationToken(isGone));
    }
}
