using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Forwarding.Fallback;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;
using OllamaBridge.Testing.Queueing;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Gateway.Tests.Forwarding;

public sealed class RetryPolicyTests : IDisposable
{
    private const int MaxAttempts = 3;
    private readonly FakeTimeProvider _clock = new(FleetBuilder.Day);
    private readonly TestMeters _meters = new();
    private readonly FakeFleet _fleet = new();
    private readonly FleetBuilder _builder = new FleetBuilder().With("i").With("j").With("k");
    private readonly DefaultHttpContext _context = new();
    private readonly List<ReplayableBody> _bodies = [];

    public RetryPolicyTests() => _fleet.Publish(_builder.Build());

    public void Dispose()
    {
        _meters.Dispose();
        _bodies.ForEach(b => b.Dispose());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void TryAgain_Refused_FreeWhileAttemptsAreLeft(bool mayRetry)
    {
        var (policy, budget) = Policy(burst: 1);
        var tries = Tries();
        Assert.Equal(mayRetry, policy.TryAgain(_context, Attempt(tries, "i", budget), InstanceFailure.Refused, tries, mayRetry));
        Assert.Equal((1, 0, InstanceFailure.Refused), (tries.Unreached, tries.Spent, tries.LastFailure));
        Assert.Same(_builder["i"], tries.LastInstance);
        Assert.Equal(mayRetry, tries.Tried?.Contains(_builder["i"]) == true);
        Assert.True(budget.TryWithdraw());
    }

    [Fact]
    public void TryAgain_ServerError_TakesRetryFromBudget()
    {
        var (policy, budget) = Policy(burst: 1);
        var tries = Tries();
        Assert.True(policy.TryAgain(_context, Attempt(tries, "i", budget), InstanceFailure.ServerError, tries, mayRetry: true));
        Assert.Equal((1, 0), (tries.Spent, tries.Unreached));
        Assert.False(policy.TryAgain(_context, Attempt(tries, "j", budget), InstanceFailure.TimedOut, tries, mayRetry: true));
        Assert.Equal(1, tries.Spent);
        Assert.Equal([_builder["i"]], tries.Tried!);
    }

    [Fact]
    public void TryAgain_NoBudgetForAttempt_False()
    {
        var (policy, _) = Policy(burst: 1);
        var tries = Tries();
        Assert.False(policy.TryAgain(_context, Attempt(tries, "i", null), InstanceFailure.ServerError, tries, mayRetry: true));
        Assert.Null(tries.Tried);
    }

    [Theory]
    [InlineData(InstanceFailure.Refused)]
    [InlineData(InstanceFailure.ServerError)]
    public void TryAgain_ResponseHasStarted_False(object failure)
    {
        var (policy, budget) = Policy(burst: 1);
        var tries = Tries();
        using var response = RestartableResponse.For(_context);
        response.Commit();
        Assert.False(policy.TryAgain(_context, Attempt(tries, "i", budget), (InstanceFailure)failure, tries, mayRetry: true));
        Assert.True(budget.TryWithdraw());
    }

    [Fact]
    public async Task TryAgain_RequestKnownToFail_OneAttemptAndRetryReturned()
    {
        var (policy, budget) = Policy(burst: 1);
        var memory = new RepeatedFailures(_clock);
        var call = TestCalls.Create(model: "a:latest", body: await BodyAsync());
        memory.Add(call, "a:latest");
        var faults = new FaultRecorder(TestCalls.Outcomes(_clock, _fleet), memory).Begin(call);
        var tries = new ModelTries(call, faults);
        Assert.False(policy.TryAgain(_context, Attempt(tries, "i", budget), InstanceFailure.ServerError, tries, mayRetry: true));
        Assert.True(tries.FailsEverywhere);
        Assert.True(budget.TryWithdraw());
    }

    [Fact]
    public void TryAgain_TwoInstancesFailAlike_FalseAndAllRetriesReturned()
    {
        var (policy, budget) = Policy(burst: 2);
        var tries = Tries();
        Assert.True(policy.TryAgain(_context, Attempt(tries, "i", budget), InstanceFailure.ServerError, tries, mayRetry: true));
        Assert.False(policy.TryAgain(_context, Attempt(tries, "j", budget), InstanceFailure.ServerError, tries, mayRetry: true));
        Assert.True(tries.FailsEverywhere);
        Assert.Equal([true, true, false], Withdraw(budget, 3));
    }

    [Fact]
    public void TryAgain_FailsAlikeWithFallbackLeft_KeepsOneRetryForIt()
    {
        var (policy, budget) = Policy(burst: 2);
        var tries = Tries();
        tries.Call.Model.Alternatives = new ModelAlternatives([new ModelCandidate("a"), new ModelCandidate("b")]);
        Assert.True(policy.TryAgain(_context, Attempt(tries, "i", budget), InstanceFailure.ServerError, tries, mayRetry: true));
        Assert.True(policy.TryAgain(_context, Attempt(tries, "j", budget), InstanceFailure.ServerError, tries, mayRetry: true));
        Assert.True(tries.FailsEverywhere);
        Assert.Equal([true, false], Withdraw(budget, 2));
    }

    [Fact]
    public void TryAgain_TwoInstancesFailDifferently_ThirdAttempt()
    {
        var (policy, budget) = Policy(burst: 2);
        var tries = Tries();
        Assert.True(policy.TryAgain(_context, Attempt(tries, "i", budget), InstanceFailure.ServerError, tries, mayRetry: true));
        Assert.True(policy.TryAgain(_context, Attempt(tries, "j", budget), InstanceFailure.OutOfMemory, tries, mayRetry: true));
        Assert.False(tries.FailsEverywhere);
    }

    [Theory]
    [InlineData("j", "j")]
    [InlineData(null, "i")] // no other instance may serve it, so the same one gets it again
    public void TryAgain_TargetChoosesNext_PinsIt(string? next, string expected)
    {
        var (policy, budget) = Policy(burst: 1);
        var tries = Tries(new ForwardingTarget(_builder["i"], tried =>
        {
            Assert.Contains(_builder["i"], tried);
            return next is null ? null : _builder[next];
        }));
        Assert.True(policy.TryAgain(_context, Attempt(tries, "i", budget), InstanceFailure.ServerError, tries, mayRetry: true));
        Assert.Same(_builder[expected], tries.Call.Pinned);
    }

    [Theory]
    [InlineData(InstanceFailure.OutOfMemory, "k")]
    [InlineData(InstanceFailure.ServerError, null)]
    public void TryAgain_OutOfMemory_PrefersInstanceWithLeastMemoryUsed(object failure, string? preferred)
    {
        _fleet.Publish(_builder.Change("j", v => v with { Loaded = [FleetBuilder.InMemory("b", FleetBuilder.Day) with { Size = 10 }] }).Build());
        var (policy, budget) = Policy(burst: 1);
        var tries = Tries();
        tries.Preferred = _builder["j"];
        Assert.True(policy.TryAgain(_context, Attempt(tries, "i", budget), (InstanceFailure)failure, tries, mayRetry: true));
        Assert.Same(preferred is null ? null : _builder[preferred], tries.Preferred);
    }

    [Theory]
    [InlineData(true, 1, true)]
    [InlineData(false, 1, false)] // no other instance can continue it
    [InlineData(true, MaxAttempts, false)]
    public void TryRepeat_OtherInstance_WhileAttemptsAreLeft(bool hasNext, int attempts, bool expected)
    {
        var (policy, budget) = Policy(burst: 0);
        var tries = Tries(new ForwardingTarget(_builder["i"], _ => hasNext ? _builder["j"] : null));
        tries.Call.Result.Attempts = attempts;
        Assert.Equal(expected, policy.TryRepeat(Attempt(tries, "i", budget), tries));
        Assert.Same(_builder[expected ? "j" : "i"], tries.Call.Pinned);
        Assert.Equal(InstanceFailure.Broken, tries.LastFailure);
        Assert.Equal([_builder["i"]], tries.Tried!);
    }

    [Fact]
    public void WaitForRoom_OtherBridgeFull_PausesItWithoutCountingTheAttempt()
    {
        var (policy, budget) = Policy(burst: 1);
        var tries = Tries();
        tries.Call.Result.Attempts = 1;
        var attempt = Attempt(tries, "i", budget);
        policy.WaitForRoom(attempt, TimeSpan.FromSeconds(2), tries);
        Assert.Equal((1, 0, InstanceFailure.ServerError), (tries.Full, tries.Sent, tries.LastFailure));
        Assert.Null(tries.Tried);
        Assert.Equal(PlacementCondition.Busy, attempt.Lease.Placement.State.Guard!.ConditionAt(_clock.GetTimestamp()));
    }

    private static IEnumerable<bool> Withdraw(RetryBudget budget, int times) => [.. Enumerable.Range(0, times).Select(_ => budget.TryWithdraw())];

    private (RetryPolicy Policy, RetryBudget Budget) Policy(int burst)
    {
        var options = Options.Create(new ForwardingOptions { RetryBurst = burst, MaxAttempts = MaxAttempts });
        var budget = new RetryBudget(options);
        return (new RetryPolicy(
            budget, TestCalls.Outcomes(_clock, _fleet), _fleet, new ForwardingMetrics(_meters), options, NullLogger<RetryPolicy>.Instance), budget);
    }

    private ModelTries Tries(ForwardingTarget? target = null)
    {
        var call = TestCalls.Create(model: "a:latest", target: target);
        return new ModelTries(call, TestCalls.Faults(call, _clock, _fleet));
    }

    private ForwardAttempt Attempt(ModelTries tries, string instance, RetryBudget? budget) =>
        TestCalls.Attempt(tries.Call, Deciding.Take(_builder, instance, time: _clock), _clock, budget, faults: tries.Faults);

    private async Task<ReplayableBody> BodyAsync()
    {
        var body = await ReplayableBody.ReadAsync(new MemoryStream(Encoding.UTF8.GetBytes("{}")), null, 1024, TestContext.Current.CancellationToken);
        _bodies.Add(body!);
        return body!;
    }
}
