using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;

namespace OllamaBridge.Gateway.Tests.Resumption;

/// <summary>Selection of attempts to move from a draining instance before their response has begun. Streams: end-to-end tests.</summary>
public sealed class DrainMovesTests : IDisposable
{
    private static readonly RetryBudget Budget = new(Options.Create(new ForwardingOptions()));
    private readonly FakeTimeProvider _clock = new();
    private readonly HttpMessageInvoker _client = new(new FakeServers());
    private readonly FleetBuilder _fleet = new FleetBuilder().With("i", loaded: "a", slots: 9).With("j", loaded: "a", slots: 2).With("k", loaded: "a", slots: 2);
    private readonly DrainMoves _moves;

    public DrainMovesTests()
    {
        var options = Options.Create(new ResumptionOptions());
        var fleet = new FakeFleet();
        _moves = new DrainMoves(new TemplateProbe(new InstanceQueries(_client, fleet, options, _clock), fleet), options, _clock);
        _fleet.Build();
    }

    public void Dispose() => _client.Dispose();

    [Fact]
    public void Choose_NoDeadline_None()
    {
        var attempts = Attempts(3);
        Assert.Null(Choose(attempts));
        _fleet.Change("i", v => v with { Draining = true });
        Assert.Null(Choose(attempts));
    }

    [Fact]
    public void Choose_NearDeadline_YoungestFirstWithinFreeSlots()
    {
        var attempts = Attempts(6);
        Drain(TimeSpan.FromSeconds(30));
        Assert.Null(Choose(attempts));
        _clock.Advance(TimeSpan.FromSeconds(27.9));
        Assert.Null(Choose(attempts));
        _clock.Advance(TimeSpan.FromSeconds(0.2));
        Assert.Equal(attempts[2..].ToHashSet<StreamedAttempt>(), Choose(attempts));
        Assert.True(_fleet["j"].TryTakeSlot());
        _fleet["k"].Allowance = 1; // another gateway has the other slot
        Assert.Equal(attempts[4..].ToHashSet<StreamedAttempt>(), Choose(attempts));
    }

    [Fact]
    public void Choose_AtDeadline_AllMovable()
    {
        var attempts = Attempts(7);
        Drain(TimeSpan.FromSeconds(30));
        _clock.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(attempts.ToHashSet<StreamedAttempt>(), Choose(attempts));
    }

    [Fact]
    public void Choose_NoAttemptOrAlternativeLeft_Stays()
    {
        ForwardAttempt[] attempts = [Attempt("i", budget: null), Attempt("j"), Attempt("i", path: "/api/pull")];
        Drain(TimeSpan.Zero);
        Assert.Null(Choose(attempts));
    }

    [Fact]
    public void Choose_StartedWithoutTranscript_Stays()
    {
        var attempt = Attempt("i");
        Assert.True(attempt.TryBegin());
        Drain(TimeSpan.Zero);
        Assert.Null(Choose([attempt]));
    }

    [Fact]
    public void Choose_FreeSlotRequiresEviction_NotBeforeDeadline()
    {
        var fleet = new FleetBuilder().With("i", "a b", loaded: "a", slots: 4).With("j", "a b", loaded: "b", slots: 4, capacity: 1);
        fleet.Build();
        var attempt = Attempt("i", fleet: fleet);
        fleet.Change("i", v => v with { Draining = true, DrainDue = _clock.GetMoment() + TimeSpan.FromSeconds(1) });
        Assert.Null(Chosen(_moves.Choose([attempt], fleet.Build())));
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal([attempt], Chosen(_moves.Choose([attempt], fleet.Build())));
    }

    [Fact]
    public void GiveUp_Drained_NoRetrySpentAndNoFailure()
    {
        var budget = new RetryBudget(Options.Create(new ForwardingOptions { RetryBurst = 0 }));
        var attempt = Attempt("i", budget: budget);
        attempt.GiveUp(Interruption.Stalled);
        Assert.Null(attempt.Cause); // the attempt continues if no retry is left

        attempt = Attempt("i", budget: budget);
        attempt.GiveUp(Interruption.Drained);
        Assert.Equal(InstanceFailure.Drained, attempt.Withdrawn);
        Assert.True(attempt.TakeRetry());
        Assert.False(attempt.TryBegin());
    }

    [Fact]
    public void GiveUp_Stopped_EndsWithoutAnotherAttempt()
    {
        var attempt = Attempt("i");
        attempt.GiveUp(Interruption.Stopped);
        Assert.Equal(InstanceFailure.Stopped, attempt.Withdrawn);
        Assert.False(attempt.TakeRetry());
    }

    private void Drain(TimeSpan after) => _fleet.Change("i", v => v with { Draining = true, DrainDue = _clock.GetMoment() + after });

    private HashSet<StreamedAttempt>? Choose(ForwardAttempt[] attempts) => Chosen(_moves.Choose(attempts, _fleet.Build()));

    private static HashSet<StreamedAttempt>? Chosen(IReadOnlySet<StreamedAttempt>? chosen) => chosen is { Count: > 0 } ? [.. chosen] : null;

    private ForwardAttempt[] Attempts(int count) => [.. Enumerable.Range(0, count).Select(_ => Attempt("i"))];

    private ForwardAttempt Attempt(string instance, string path = "/api/chat", FleetBuilder? fleet = null) => Attempt(instance, Budget, path, fleet);

    private ForwardAttempt Attempt(string instance, RetryBudget? budget, string path = "/api/chat", FleetBuilder? fleet = null)
    {
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        return TestCalls.Attempt(
            TestCalls.Create(path, FleetBuilder.Key("a")), InstanceLease.WithoutSlot((fleet ?? _fleet).Placement(instance), _clock), _clock, budget);
    }
}
