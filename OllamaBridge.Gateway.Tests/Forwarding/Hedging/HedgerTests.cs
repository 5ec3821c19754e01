using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Forwarding.Fallback;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Gateway.Tests.Forwarding.Hedging;

public sealed class HedgerTests : IAsyncDisposable
{
    private static readonly string[] Chat = [Responses.ChatLine, Responses.ChatEnd];
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ForwardingHarness? _harness;

    public ValueTask DisposeAsync() => _harness?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task Send_FirstTokenIsLate_SecondInstanceWins()
    {
        var harness = Start();
        harness.Instances.Script("i", Responses.StreamAfter(_ready.Task, Chat)).Script("j", Responses.Stream(Chat));
        var (run, sent) = await SendAsync(harness);
        Assert.False(run.IsCompleted);
        harness.Clock.Advance(TimeSpan.FromMilliseconds(200));
        using var result = await run.WaitAsync(TestTimeouts.Guard, TestContext.Current.CancellationToken);

        Assert.Equal("i j", harness.Instances.Order);
        Assert.Same(harness.Builder["j"], result.Attempt.Lease.Instance);
        Assert.Equal((true, InstanceFailure.Overtaken), (result.Other!.IsOvertaken, result.Other.Withdrawn));
        Assert.Equal(string.Concat(Chat), ForwardingHarness.Sent(sent));
        // The slot of the overtaken attempt is free before the response has ended.
        Assert.Equal((0, 1), (harness.Builder["i"].SlotsUsed, harness.Builder["j"].SlotsUsed));
        Assert.Empty(harness.Fleet.Failures);
    }

    [Fact]
    public async Task Send_SecondInstanceFails_FirstResponds()
    {
        var harness = Start();
        harness.Instances.Script("i", Responses.StreamAfter(_ready.Task, Chat)).Script("j", Responses.Refuse);
        var (run, sent) = await SendAsync(harness);
        harness.Clock.Advance(TimeSpan.FromMilliseconds(200));
        await Poll.UntilAsync(() => harness.Instances.Order == "i j");
        _ready.SetResult();
        using var result = await run.WaitAsync(TestTimeouts.Guard, TestContext.Current.CancellationToken);

        Assert.Same(harness.Builder["i"], result.Attempt.Lease.Instance);
        Assert.Same(harness.Builder["j"], result.Other!.Lease.Instance);
        Assert.Equal(string.Concat(Chat), ForwardingHarness.Sent(sent));
    }

    [Fact]
    public async Task Send_BothInstancesFail_FirstIsResultAndFailureOfSecondIsRecorded()
    {
        var harness = Start();
        harness.Instances.Script("i", Responses.StreamAfter(_ready.Task)).Script("j", Responses.Refuse);
        var (run, _) = await SendAsync(harness);
        harness.Clock.Advance(TimeSpan.FromMilliseconds(200));
        await Poll.UntilAsync(() => harness.Instances.Order == "i j");
        _ready.SetResult();
        using var result = await run.WaitAsync(TestTimeouts.Guard, TestContext.Current.CancellationToken);

        Assert.Same(harness.Builder["i"], result.Attempt.Lease.Instance);
        Assert.Equal((InstanceFailure.Broken, false), (result.Attempt.Result.Failure, result.Attempt.IsOvertaken));
        Assert.Equal([(harness.Builder["j"], InstanceFailure.Refused)], harness.Fleet.Failures);
    }

    [Fact]
    public async Task Send_FirstTokenInTime_OneAttempt()
    {
        var harness = Start();
        harness.Instances.Script("i", Responses.Stream(Chat)).Script("j", Responses.Stream(Chat));
        var (run, _) = await SendAsync(harness);
        using var result = await run.WaitAsync(TestTimeouts.Guard, TestContext.Current.CancellationToken);
        Assert.Null(result.Other);
        Assert.Equal("i", harness.Instances.Order);
    }

    [Theory]
    [InlineData("disabled")]
    [InlineData("no samples")]
    [InlineData("no budget")]
    [InlineData("not loaded elsewhere")]
    [InlineData("known to fail")]
    public async Task Send_LateButNotHedged_OneAttempt(string reason)
    {
        var harness = Start(
            loaded: reason == "not loaded elsewhere" ? "" : "a",
            isEnabled: reason != "disabled",
            share: reason == "no budget" ? "0" : "1",
            hasSamples: reason != "no samples");
        harness.Instances.Script("i", Responses.StreamAfter(_ready.Task, Chat)).Script("j", Responses.Stream(Chat));
        var (run, _) = await SendAsync(harness, isKnownToFail: reason == "known to fail");
        harness.Clock.Advance(TimeSpan.FromMinutes(1));
        _ready.SetResult();
        using var result = await run.WaitAsync(TestTimeouts.Guard, TestContext.Current.CancellationToken);
        Assert.Null(result.Other);
        Assert.Equal("i", harness.Instances.Order);
        if (reason == "not loaded elsewhere")
            Assert.True(harness.Get<HedgeBudget>().TryWithdraw()); // returned
    }

    private ForwardingHarness Start(string loaded = "a", bool isEnabled = true, string share = "1", bool hasSamples = true)
    {
        _harness = new ForwardingHarness(
            new FleetBuilder().With("i", loaded: "a").With("j", loaded: loaded),
            ("Hedging:Enabled", isEnabled ? "true" : "false"),
            ("Hedging:MinSamples", "1"),
            ("Hedging:MaxShare", share));
        if (hasSamples)
            _harness.Get<FirstTokenTimes>().Add("a:latest", isWhole: false, TimeSpan.FromMilliseconds(150));
        return _harness;
    }

    private static async Task<(Task<HedgedAttempt> Run, Microsoft.AspNetCore.Http.HttpContext Context)> SendAsync(ForwardingHarness harness, bool isKnownToFail = false)
    {
        var call = await harness.CallAsync();
        if (isKnownToFail)
            harness.Get<RepeatedFailures>().Add(call, "a:latest");
        var context = ForwardingHarness.Context(call);
        var lease = Deciding.Take(harness.Builder, "i", "a", harness.Clock);
        var tries = new ModelTries(call, harness.Get<FaultRecorder>().Begin(call));
        return (harness.Get<Hedger>().SendAsync(context, tries, lease, harness.Get<RetryBudget>()), context);
    }
}
