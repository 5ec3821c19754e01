using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.State;

namespace OllamaBridge.Gateway.FunctionalTests.State;

/// <summary>The contract of all quota shares.</summary>
public abstract class QuotaSharesContract : StateContract
{
    // Long: no gateway times out on a busy machine. Short: the cautious time after a start ends soon.
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(40);
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(1);
    private const long Day = 739_000;
    private IQuotaShares _a = null!;
    private IQuotaShares _b = null!;
    private long _sequence;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    protected override async Task OpenStoresAsync() => (_a, _b) = (await OpenAsync(), await OpenAsync());

    [Theory]
    [InlineData("Concurrency")]
    [InlineData("Minute")]
    [InlineData("Day")]
    public async Task Exchange_MoreRequestedThanLeft_GrantsRest(string limit)
    {
        var kind = Enum.Parse<QuotaLimit>(limit);
        Assert.Equal(new QuotaGrant(1000, 0, 0, 0), await SayAsync(_a, "a", Use(kind, 1000, 100, 2000, spent: 60)));
        Assert.Equal(new QuotaGrant(0, 100, 60, 0), await SayAsync(_b, "b", Use(kind, 1000, 0, 400)));
        Assert.Equal(700, (await SayAsync(_a, "a", Use(kind, 1000, 700, 0))).Granted); // used amounts stay claimed
        Assert.Equal(new QuotaGrant(300, 700, 0, 0), await SayAsync(_b, "b", Use(kind, 1000, 0, 400)));
        Assert.Equal(1100, (await SayAsync(_a, "a", Use(kind, 1000, 1100, 0))).Granted); // also above the limit
        Assert.Equal(0, (await SayAsync(_b, "b", Use(kind, 1000, 0, 400))).Granted);
    }

    [Fact]
    public async Task Exchange_LargeNumbersAndModelWithBlanks_ExactAndSeparate()
    {
        const long Many = 900_000_000_000_123;
        var (total, ofModel) = (Use(QuotaLimit.Day, Many, 3, Many - 5), Use(QuotaLimit.Day, 50, 0, 40) with { Model = "a b:c" });
        var answer = await ExchangeAsync(_a, Report("a", Long, total, ofModel));
        Assert.Equal([Many - 5, 40L], answer.Grants.Select(g => g.Granted));
        answer = await ExchangeAsync(_b, Report("b", Long, ofModel, total));
        Assert.Equal([new QuotaGrant(10, 0, 0, 0), new QuotaGrant(5, 3, 0, 0)], answer.Grants);
        Assert.Equal(2, answer.Gateways);
    }

    [Fact]
    public async Task Exchange_UseNoLongerReported_Freed()
    {
        await SayAsync(_a, "a", Use(QuotaLimit.Minute, 10, 0, 10));
        await SayAsync(_a, "a", Use(QuotaLimit.Day, 10, 0, 10));
        Assert.Equal(10, (await SayAsync(_b, "b", Use(QuotaLimit.Minute, 10, 0, 10))).Granted);
    }

    [Fact]
    public async Task Exchange_OtherTenant_HasOwnLimits()
    {
        await SayAsync(_a, "a", Use(QuotaLimit.Minute, 10, 0, 10));
        var answer = await ExchangeAsync(_b, Report("b", Long, Use(QuotaLimit.Minute, 10, 0, 10)) with { Tenant = "other" });
        Assert.Equal(10, answer.Grants[0].Granted);
    }

    [Fact]
    public async Task Exchange_ManyConcurrent_NeverMoreThanLimit()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(n => Task.Run(() =>
            ExchangeAsync(n % 2 == 0 ? _a : _b, Report($"g{n}", Long, Use(QuotaLimit.Minute, 70, 0, 1 + (n % 5)), Use(QuotaLimit.Requests, 0.01, 0, 2))))));
        Assert.Equal((70, 1), (answers.Sum(a => a.Grants[0].Granted), answers.Sum(a => a.Grants[1].Granted)));
    }

    [Fact]
    public async Task Exchange_OldSequence_Ignored()
    {
        var report = Report("a", Long, Use(QuotaLimit.Minute, 10, 0, 4));
        await ExchangeAsync(_a, report);
        await SayAsync(_a, "a", Use(QuotaLimit.Minute, 10, 0, 7));
        Assert.Null(await _b.ExchangeAsync(report, Cancelled));
        Assert.Equal(3, (await SayAsync(_b, "b", Use(QuotaLimit.Minute, 10, 0, 10))).Granted);
    }

    [Fact]
    public async Task Exchange_GatewayTimedOut_RequestsLapseTokensStay()
    {
        await ExchangeAsync(_a, Report("a", Short, Use(QuotaLimit.Concurrency, 4, 4, 4), Use(QuotaLimit.Minute, 4, 3, 4), Use(QuotaLimit.Day, 4, 2, 3)));
        QuotaResult answer;
        using var patience = Patience();
        do
        {
            patience.Token.ThrowIfCancellationRequested();
            answer = await ExchangeAsync(_b, Report("b", Short, Use(QuotaLimit.Concurrency, 4, 0, 4), Use(QuotaLimit.Minute, 4, 0, 4), Use(QuotaLimit.Day, 4, 0, 4)));
        }
        while (answer.Grants[0].Granted == 0 || answer.IsCareful);
        Assert.Equal([4L, 0, 1], answer.Grants.Select(g => g.Granted));
        Assert.Equal(1, answer.Gateways);
    }

    [Fact]
    public async Task Exchange_NewDay_DeadGatewaysClaimFreedLiveClaimKept()
    {
        await SayAsync(_a, "alive", Use(QuotaLimit.Day, 10, 3, 4));
        await ExchangeAsync(_a, Report("dead", Long, Use(QuotaLimit.Day, 10, 5, 5)));
        var tomorrow = Report("b", Long, Use(QuotaLimit.Day, 10, 0, 10)) with { Day = Day + 1 };
        Assert.Equal(1, (await ExchangeAsync(_b, tomorrow)).Grants[0].Granted);
        await Task.WhenAll(SayAsync(_a, "alive", Use(QuotaLimit.Day, 10, 3, 4)), UntilCarefulIsOverAsync());
        using var patience = Patience();
        long granted;
        do
        {
            patience.Token.ThrowIfCancellationRequested();
            // Only "alive" continues to report; with such a short timeout "dead" lapses.
            await ExchangeAsync(_a, Report("alive", Long, Use(QuotaLimit.Day, 10, 3, 4)));
            granted = (await ExchangeAsync(_b, tomorrow with { Sequence = Interlocked.Increment(ref _sequence), Timeout = TimeSpan.FromSeconds(1) })).Grants[0].Granted;
        }
        while (granted < 6);
        Assert.Equal(6, granted);
    }

    [Fact]
    public async Task Exchange_EmptyStore_CautiousForOneTimeout()
    {
        var use = Use(QuotaLimit.Minute, 10, 0, 9) with { RequestedCarefully = 2 };
        var answer = await ExchangeAsync(_a, Report("a", Long, use));
        Assert.True(answer.IsCareful);
        Assert.Equal(2, answer.Grants[0].Granted);
        using var patience = Patience();
        var since = answer.Since;
        do
        {
            patience.Token.ThrowIfCancellationRequested();
            answer = await ExchangeAsync(_a, Report("a", TimeSpan.FromMilliseconds(300), use));
        }
        while (answer.IsCareful);
        Assert.Equal(9, answer.Grants[0].Granted);
        Assert.True(answer.Since >= since);
    }

    [Fact]
    public async Task Exchange_StoreLostState_CautiousAgain()
    {
        var since = await UntilCarefulIsOverAsync();
        var answer = await ExchangeAsync(_a, Report("a", Long, Use(QuotaLimit.Minute, 10, 0, 9)) with { Acknowledged = 5, Since = since });
        Assert.True(answer.IsCareful);
        Assert.True(answer.Since > since);
        // A gateway that detects the same loss later does not restart the cautious time.
        var later = await ExchangeAsync(_b, Report("b", Long) with { Acknowledged = 7, Since = since });
        Assert.Equal((true, answer.Since), (later.IsCareful, later.Since));
    }

    [Fact]
    public async Task Exchange_Permits_BurstThenRateAndReturnedPermits()
    {
        const double Rate = 0.5; // one at a time, the next in two seconds
        Assert.Equal(1, (await SayAsync(_a, "a", Use(QuotaLimit.Requests, Rate, 0, 5))).Granted);
        var second = await SayAsync(_b, "b", Use(QuotaLimit.Requests, Rate, 0, 1));
        Assert.Equal(0, second.Granted);
        Assert.InRange(second.Left, 0, 0.99);
        await SayAsync(_a, "a", Use(QuotaLimit.Requests, Rate, 3, 0)); // no more than a burst comes back
        Assert.Equal(1, (await SayAsync(_b, "b", Use(QuotaLimit.Requests, Rate, 0, 5))).Granted);
        using var patience = Patience();
        while ((await SayAsync(_b, "b", Use(QuotaLimit.Requests, Rate, 0, 5))).Granted == 0)
            patience.Token.ThrowIfCancellationRequested();
    }

    /// <summary>Opens the shares for one more gateway.</summary>
    private protected abstract Task<IQuotaShares> OpenAsync();

    private protected async Task<IQuotaShares> ConnectAsync(int port) => new RedisQuotaShares(Own(await TestConnection.OpenAsync(port)).State.Open("quota", ""));

    private static CancellationTokenSource Patience()
    {
        var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        patience.CancelAfter(TimeSpan.FromSeconds(30));
        return patience;
    }

    private static QuotaUse Use(QuotaLimit kind, double limit, long used, long asked, long spent = 0) => new(kind, "", limit, used, spent, asked, asked);

    private static async Task<QuotaResult> ExchangeAsync(IQuotaShares shares, QuotaReport report) =>
        Assert.IsType<QuotaResult>(await shares.ExchangeAsync(report, Cancelled));

    private QuotaReport Report(string gateway, TimeSpan timeout, params QuotaUse[] uses) =>
        new(gateway, "team", Interlocked.Increment(ref _sequence), 0, 0, timeout, Day, [.. uses]);

    private async Task<QuotaGrant> SayAsync(IQuotaShares shares, string gateway, params QuotaUse[] uses) =>
        (await ExchangeAsync(shares, Report(gateway, Long, uses))).Grants[0];

    private async Task<long> UntilCarefulIsOverAsync()
    {
        using var patience = Patience();
        while (true)
        {
            patience.Token.ThrowIfCancellationRequested();
            if (await ExchangeAsync(_a, Report("watch", TimeSpan.FromMilliseconds(300))) is { IsCareful: false } answer)
                return answer.Since;
        }
    }
}

public sealed class MemoryQuotaSharesTests : QuotaSharesContract
{
    private readonly MemoryQuotaShares _shares = new(TimeProvider.System, isShared: true);

    protected override Task StartAsync() => Task.CompletedTask;

    private protected override Task<IQuotaShares> OpenAsync() => Task.FromResult<IQuotaShares>(_shares);
}

public sealed class GarnetQuotaSharesTests : QuotaSharesContract
{
    private RunningStateServer _server = null!;

    protected override async Task StartAsync() => _server = Own(await RunningStateServer.StartAsync());

    private protected override Task<IQuotaShares> OpenAsync() => ConnectAsync(_server.Options.Port);
}

public sealed class RedisQuotaSharesTests : QuotaSharesContract
{
    private RunningRedis _server = null!;

    protected override async Task StartAsync() => _server = Own(await RunningRedis.StartAsync());

    private protected override Task<IQuotaShares> OpenAsync() => ConnectAsync(_server.Port);
}
