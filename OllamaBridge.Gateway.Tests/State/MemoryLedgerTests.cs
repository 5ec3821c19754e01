using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.State;

namespace OllamaBridge.Gateway.Tests.State;

public class MemoryLedgerTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 31, 23, 59, 59, TimeSpan.Zero);
    private static CancellationToken Token => TestContext.Current.CancellationToken;
    private readonly MemoryLedger _ledger = new(Options.Create(new LedgerOptions { Records = 3, Days = 2 }));

    [Fact]
    public async Task Latest_MoreThanCapacity_NewestFirst()
    {
        Assert.Empty((await _ledger.LatestAsync(5, Token)).Items);
        for (var i = 1; i <= 5; i++)
            _ledger.Write(Record(input: i));

        Assert.Equal([5, 4, 3], (await _ledger.LatestAsync(10, Token)).Items.Select(r => r.InputTokens));
        Assert.Equal([5, 4], (await _ledger.LatestAsync(2, Token)).Items.Select(r => r.InputTokens));
    }

    [Fact]
    public async Task Usage_SeveralOfEach_SummedByDayTenantAndModel()
    {
        _ledger.Write(Record());
        _ledger.Write(Record(outcome: "cancelled"));
        _ledger.Write(Record(tenant: "b"));
        _ledger.Write(Record(model: "n", seconds: 2));

        Assert.Equal(
            [
                new UsageEntry(new(2026, 1, 31), "a", "m", new UsageSum(2, 1, 20, 40)),
                new UsageEntry(new(2026, 1, 31), "b", "m", new UsageSum(1, 1, 10, 20)),
                new UsageEntry(new(2026, 2, 1), "a", "n", new UsageSum(1, 1, 10, 20)),
            ],
            (await _ledger.UsageAsync(default, Token)).Items);
        Assert.Equal(2, (await _ledger.UsageAsync(new UsageFilter("a", null, null), Token)).Items.Count);
        Assert.Equal(2, (await _ledger.UsageAsync(new UsageFilter(null, "m", null), Token)).Items.Count);
        Assert.Single((await _ledger.UsageAsync(new UsageFilter(null, null, new(2026, 2, 1)), Token)).Items);
        Assert.Empty((await _ledger.UsageAsync(new UsageFilter("b", "n", null), Token)).Items);
    }

    [Fact]
    public async Task Usage_MoreDaysThanKept_OldestRemoved()
    {
        for (var day = 0; day < 4; day++)
            _ledger.Write(Record(seconds: day * 86400));
        Assert.Equal([new DateOnly(2026, 2, 2), new DateOnly(2026, 2, 3)], (await _ledger.UsageAsync(default, Token)).Items.Select(e => e.Day));
    }

    private static LedgerRecord Record(
        string tenant = "a", string model = "m", string outcome = "succeeded", int seconds = 0, long input = 10) =>
        new(Start.AddSeconds(seconds), tenant, "chat", "ollama", model, "sim-1", input, 20, 0, null, 1, outcome, 200, 1);
}
