using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.State;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.State;

/// <summary>The contract of every ledger.</summary>
public abstract class LedgerContract : StateContract
{
    private protected static readonly LedgerOptions Options = new() { Records = 2000 };
    private static readonly TimeSpan Patience = TestTimeouts.Guard;
    // Redis expires keys by its own clock, so records need the current time.
    private readonly DateTimeOffset _now = DateTimeOffset.UtcNow;
    private ILedger _a = null!;
    private ILedger _b = null!;

    private protected static CancellationToken Token => TestContext.Current.CancellationToken;

    protected override async Task OpenStoresAsync() => (_a, _b) = (await OpenAsync(), await OpenAsync());

    [Fact]
    public async Task Latest_NothingWritten_Empty()
    {
        Assert.Empty((await _a.LatestAsync(5, Token)).Items);
        Assert.Empty((await _a.UsageAsync(default, Token)).Items);
    }

    [Fact]
    public async Task Latest_WrittenByTwo_BothReadAllNewestFirst()
    {
        var first = Record(1) with { Instance = null, FirstByteSeconds = null, Model = "", Outcome = "rejected", Status = 404, Attempts = 0 };
        var second = Record(2) with { Model = "größer/\"q\":7b", FirstByteSeconds = 0.123456789, Outcome = "cancelled", Status = 499 };
        _a.Write(first);
        await WrittenAsync(_b, 1);
        _b.Write(second);
        await WrittenAsync(_a, 2);

        Assert.Equal([second, first], (await _a.LatestAsync(10, Token)).Items);
        Assert.Equal([second], (await _b.LatestAsync(1, Token)).Items);
        Assert.Empty((await _b.LatestAsync(0, Token)).Items);
    }

    [Fact]
    public async Task Usage_SeveralOfEach_SummedByDayTenantAndModel()
    {
        _a.Write(Record(10));
        _b.Write(Record(10) with { Outcome = "cancelled" });
        _a.Write(Record(10) with { Tenant = "b" });
        _b.Write(Record(10) with { Tenant = "b", Model = "" });
        _a.Write(Record(10) with { Time = _now.AddDays(-1), Model = "n:1b" });
        await WrittenAsync(_a, 5);
        var (today, yesterday) = (DateOnly.FromDateTime(_now.UtcDateTime), DateOnly.FromDateTime(_now.UtcDateTime.AddDays(-1)));

        Assert.Equal(
            [
                new UsageEntry(yesterday, "a", "n:1b", new UsageSum(1, 1, 10, 20)),
                new UsageEntry(today, "a", "m", new UsageSum(2, 1, 20, 40)),
                new UsageEntry(today, "b", "", new UsageSum(1, 1, 10, 20)),
                new UsageEntry(today, "b", "m", new UsageSum(1, 1, 10, 20)),
            ],
            (await _b.UsageAsync(default, Token)).Items);
        Assert.Equal(2, (await _a.UsageAsync(new UsageFilter("a", null, null), Token)).Items.Count);
        Assert.Equal(2, (await _a.UsageAsync(new UsageFilter(null, "m", null), Token)).Items.Count);
        Assert.Equal([yesterday], (await _a.UsageAsync(new UsageFilter(null, null, yesterday), Token)).Items.Select(e => e.Day));
        Assert.Empty((await _a.UsageAsync(new UsageFilter("b", "n:1b", null), Token)).Items);
        Assert.Empty((await _a.UsageAsync(new UsageFilter(null, null, yesterday.AddDays(-1)), Token)).Items);
    }

    [Fact]
    public async Task Write_ManyConcurrent_EachOnceWithMatchingSums()
    {
        await Task.WhenAll(Enumerable.Range(0, 4).Select(w => Task.Run(() =>
        {
            for (var i = 0; i < 400; i++)
                (w % 2 == 0 ? _a : _b).Write(Record((w * 400) + i) with { Tenant = i % 3 == 0 ? "a" : "b", Model = $"m{i % 5}" });
        })));
        await WrittenAsync(_a, 1600);

        var records = (await _b.LatestAsync(Options.Records, Token)).Items;
        Assert.Equal(Enumerable.Range(0, 1600).Select(i => (long)i), records.Select(r => r.InputTokens).Order());
        Assert.Equal(
            records.GroupBy(r => (r.Tenant, r.Model)).Select(g => (g.Key, new UsageSum(g.Count(), g.Count(), g.Sum(r => r.InputTokens), g.Sum(r => r.OutputTokens)))).Order(),
            (await _a.UsageAsync(default, Token)).Items.Select(e => ((e.Tenant, e.Model), e.Sum)).Order());
    }

    [Fact]
    public async Task Write_MoreThanKept_NewestStay()
    {
        for (var i = 0; i < 2 * Options.Records; i++)
            _a.Write(Record(i));
        await WrittenAsync(_a, 2 * Options.Records);

        Assert.Equal(Enumerable.Range(0, Options.Records).Select(i => (long)((2 * Options.Records) - 1 - i)), (await _a.LatestAsync(100_000, Token)).Items.Select(r => r.InputTokens));
    }

    /// <summary>Opens the ledger for one more gateway.</summary>
    private protected abstract Task<ILedger> OpenAsync();

    private protected LedgerRecord Record(long input) => new(_now, "a", "chat", "ollama", "m", "sim-1", input, 20, 0.5, 0.25, 1, "succeeded", 200, 1);

    private protected static Task WrittenAsync(ILedger ledger, int count) => Eventually.BecomesAsync(
        async () => (await ledger.UsageAsync(default, Token)).Items.Sum(e => e.Sum.Requests) == count, Patience);
}

public sealed class MemoryLedgerContractTests : LedgerContract
{
    private readonly MemoryLedger _ledger = new(Microsoft.Extensions.Options.Options.Create(Options));

    protected override Task StartAsync() => Task.CompletedTask;

    private protected override Task<ILedger> OpenAsync() => Task.FromResult<ILedger>(_ledger);
}

/// <summary>The contract of ledgers that several gateways share.</summary>
public abstract class SharedLedgerContract : LedgerContract
{
    private protected abstract string Address { get; }

    [Fact]
    public async Task TryWrite_SameBatchAgain_WrittenOnce()
    {
        var ledger = await StartLedgerAsync(Address);
        await Poll.UntilAsync(() => ledger.IsHealthy);
        var batch = new LedgerBatch();
        for (var number = 1; number <= 3; number++)
        {
            batch.Add(Record(number));
            batch.Add(Record(number));
            for (var again = 0; again < 3; again++)
                Assert.True(await ledger.Store.TryWriteAsync(batch, Token));
            Assert.Equal(2 * number, (await ledger.Store.LatestAsync(100, Token))!.Count);
            Assert.Equal(2 * number, (await ledger.Store.UsageAsync(default, Token))!.Sum(e => e.Sum.Requests));
            batch.Clear();
        }

        // A batch that was delayed for long arrives after later batches.
        var old = new LedgerBatch();
        old.Add(Record(9));
        Assert.True(await ledger.Store.TryWriteAsync(old, Token));
        Assert.DoesNotContain((await ledger.Store.LatestAsync(100, Token))!, r => r.InputTokens == 9);
    }

    [Fact]
    public async Task Write_ResponsesLost_EachWrittenOnce()
    {
        await using var proxy = new RedisProxy { Target = int.Parse(Address.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture) };
        var ledger = await StartLedgerAsync(proxy.Address);
        for (var round = 0; round < 12; round++)
        {
            await Poll.UntilAsync(() => ledger.IsHealthy);
            proxy.Swallow = 1;
            for (var i = 0; i < 10; i++)
                ledger.Ledger.Write(Record((round * 10) + i));
            await Poll.UntilAsync(() => proxy.Swallow == 0);
        }

        await AllAreThereAsync(ledger, 120);
        Assert.Equal(0, ledger.Dropped);
    }

    [Fact]
    public async Task Write_RedisUnreachableThenBack_PartialResultThenAllOnce()
    {
        await using var proxy = new RedisProxy();
        var ledger = await StartLedgerAsync(proxy.Address);
        Write(ledger, 0, 700);
        await PartialAsync(ledger, 700); // Redis has not been reachable so far

        proxy.Target = int.Parse(Address.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture);
        await AllAreThereAsync(ledger, 700);

        Write(ledger, 700, 750);
        proxy.Lose();
        await Poll.UntilAsync(() => !ledger.IsHealthy);
        Write(ledger, 750, 1400);
        await PartialAsync(ledger, 1400);

        proxy.Target = int.Parse(Address.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture);
        await AllAreThereAsync(ledger, 1400);
        Assert.Equal(0, ledger.Dropped);
    }

    [Fact]
    public async Task Write_BufferFull_OldestDroppedAndCounted()
    {
        await using var proxy = new RedisProxy();
        var ledger = await StartLedgerAsync(proxy.Address, Options with { Buffer = 10 });
        Write(ledger, 0, 30);
        // The buffer holds ten records. Records that the writer has already taken are no longer in it.
        var dropped = (int)ledger.Dropped;
        Assert.InRange(dropped, 1, 20);

        proxy.Target = int.Parse(Address.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture);
        await WrittenAsync(ledger.Ledger, 30 - dropped);
        await Poll.UntilAsync(() => ledger.IsHealthy);
        var kept = (await ledger.Store.LatestAsync(100, Token))!.Select(r => r.InputTokens).ToList();
        Assert.Equal(30 - dropped, kept.Count);
        Assert.Equal([29, 28, 27, 26, 25, 24, 23, 22, 21, 20], kept.Take(10));
    }

    [Fact]
    public async Task Stop_RecordsWaiting_Written()
    {
        var ledger = await StartLedgerAsync(Address);
        await Poll.UntilAsync(() => ledger.IsHealthy);
        Write(ledger, 0, 1500);
        await ledger.StopAsync();
        Assert.Equal(0, ledger.Ledger.Buffer.Count);
        await AllAreThereAsync(ledger, 1500);
    }

    [Fact]
    public async Task Stop_NoRedis_EndsImmediatelyAndCountsDropped()
    {
        var ledger = await StartLedgerAsync($"127.0.0.1:{RunningProcess.FreePort()}");
        Write(ledger, 0, 500);
        await ledger.StopAsync();
        Assert.Equal(500, ledger.Dropped);
    }

    private protected async Task<TestLedger> StartLedgerAsync(string address, LedgerOptions? options = null) =>
        Own(await TestLedger.StartAsync(address, options ?? Options));

    private protected override async Task<ILedger> OpenAsync()
    {
        var ledger = await StartLedgerAsync(Address);
        await Poll.UntilAsync(() => ledger.IsHealthy);
        return ledger.Ledger;
    }

    private void Write(TestLedger ledger, int from, int to)
    {
        for (var i = from; i < to; i++)
            ledger.Ledger.Write(Record(i));
    }

    private static async Task PartialAsync(TestLedger ledger, int count)
    {
        var (entries, partial) = await ledger.Ledger.UsageAsync(default, Token);
        Assert.True(partial);
        Assert.Equal(count, entries.Sum(e => e.Sum.Requests));
        var latest = await ledger.Ledger.LatestAsync(3, Token);
        Assert.True(latest.IsPartial);
        Assert.Equal([count - 1, count - 2, count - 3], latest.Items.Select(r => r.InputTokens));
    }

    /// <summary>Asserts that each record of a series is stored exactly once and in order, and that the sums match.</summary>
    private static async Task AllAreThereAsync(TestLedger ledger, int count)
    {
        await Poll.UntilAsync(() => ledger.IsHealthy && ledger.Ledger.Buffer.Count == 0);
        IReadOnlyList<LedgerRecord>? records = null;
        await Eventually.BecomesAsync(async () => (records = await ledger.Store.LatestAsync(Options.Records, Token))?.Count >= count, TimeSpan.FromSeconds(30));
        Assert.Equal(Enumerable.Range(0, count).Select(i => (long)(count - 1 - i)), records!.Select(r => r.InputTokens));
        var usage = await ledger.Ledger.UsageAsync(default, Token);
        Assert.False(usage.IsPartial);
        Assert.Equal(new UsageSum(count, count, (long)count * (count - 1) / 2, 20 * count), usage.Items.Single().Sum);
    }
}

public sealed class GarnetLedgerTests : SharedLedgerContract
{
    private RunningStateServer _server = null!;

    private protected override string Address => $"127.0.0.1:{_server.Options.Port}";

    protected override async Task StartAsync() => _server = Own(await RunningStateServer.StartAsync());
}

public sealed class RedisLedgerTests : SharedLedgerContract
{
    private RunningRedis _server = null!;

    private protected override string Address => $"127.0.0.1:{_server.Port}";

    protected override async Task StartAsync() => _server = Own(await RunningRedis.StartAsync());
}
