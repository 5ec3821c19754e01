using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Accounting;

namespace OllamaBridge.Gateway.Tests.Admin.Page;

public sealed class RecentFiguresTests
{
    private readonly FakeTimeProvider _clock = new();
    private readonly RecentFigures _recent;

    public RecentFiguresTests() => _recent = new RecentFigures(_clock);

    [Fact]
    public void Figures_TwoSteps_OrderedByTime()
    {
        _recent.Note(Record(tokens: 50, seconds: 1));
        _clock.Advance(RecentFigures.Step);
        _recent.Note(Record(tokens: 10, seconds: 2));
        _recent.Note(Record(tokens: 10, seconds: 2, outcome: "failed"));

        var figures = _recent.Figures();

        Assert.Equal([1, 2], figures.Requests.TakeLast(2));
        Assert.Equal([10.0, 4.0], figures.TokensPerSecond.TakeLast(2));
        Assert.InRange(figures.Median[^2]!.Value, 0.9, 1.1);
        Assert.InRange(figures.P95[^1]!.Value, 1.8, 2.2);
        Assert.Null(figures.Median[0]);
    }

    [Fact]
    public void Figures_WindowPassed_Empty()
    {
        _recent.Note(Record(tokens: 50, seconds: 1));
        _clock.Advance(RecentFigures.Step * (RecentFigures.Steps - 1));
        Assert.Equal(1, _recent.Figures().Requests.Sum());
        _clock.Advance(RecentFigures.Step);

        var figures = _recent.Figures();

        Assert.Equal(0, figures.Requests.Sum());
        Assert.All(figures.P95, Assert.Null);
    }

    [Theory]
    [InlineData("failed", 1, false, "failed")]
    [InlineData("truncated", 1, true, "truncated")]
    [InlineData("succeeded", 1, true, "continued")]
    [InlineData("succeeded", 2, false, "retried")]
    [InlineData("succeeded", 1, false, null)]
    [InlineData("cancelled", 2, false, null)]
    [InlineData("rejected", 1, false, null)]
    public void Troubles_Outcome_Kind(string outcome, int attempts, bool broke, string? kind)
    {
        _recent.Note(Record(outcome: outcome, attempts: attempts, broke: broke));

        Assert.Equal(kind, _recent.Troubles().SingleOrDefault()?.Kind);
    }

    [Fact]
    public void Troubles_MoreThanLimit_NewestFirst()
    {
        for (var i = 0; i <= RecentFigures.MaxTroubles; i++)
            _recent.Note(Record(outcome: "failed", attempts: i));

        var troubles = _recent.Troubles();

        Assert.Equal(RecentFigures.MaxTroubles, troubles.Count);
        Assert.Equal((RecentFigures.MaxTroubles, 1), (troubles[0].Attempts, troubles[^1].Attempts));
    }

    [Fact]
    public void Quantile_HundredDurations_WithinTenPercent()
    {
        var counts = new LatencyCounts();
        Assert.Null(counts.Quantile(0.5));
        for (var i = 1; i <= 100; i++)
            counts.Add(i / 10.0);
        Assert.InRange(counts.Quantile(0.5)!.Value, 4.5, 5.5);
        Assert.InRange(counts.Quantile(0.95)!.Value, 8.55, 10.45);
        counts.Clear();
        counts.Add(1e6);
        Assert.InRange(counts.Quantile(1)!.Value, 500, 700);
    }

    private LedgerRecord Record(int tokens = 1, double seconds = 1, string outcome = "succeeded", int attempts = 1, bool broke = false) => new(
        _clock.GetUtcNow(), "t", "chat", "ollama", "m", "i", 1, tokens, 0, 0.1, seconds, outcome, 200, attempts, broke ? ["reset"] : null);
}
