using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.State;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Tests.Quotas;

/// <summary>The limits of several gateways. The test controls the exchange intervals.</summary>
public sealed class QuotaSharingTests
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 31, 12, 0, 0, TimeSpan.Zero);
    private readonly FakeTimeProvider _clock = new(Noon);
    private readonly LosableShares _shares;
    private readonly List<QuotaStore> _gateways = [];

    public QuotaSharingTests() => _shares = new LosableShares(new MemoryQuotaShares(_clock, isShared: true));

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Acquire_MinuteSpentElsewhere_Refused()
    {
        var (a, b) = await TwoAsync();
        var limits = new UsageLimits { TokensPerMinute = 100 };
        Ask(a, limits, 60).Settle(60);
        await RestAsync();
        var lease = Ask(b, limits, 40);
        Assert.True(lease.IsAcquired);
        Assert.Equal(0, lease.Levels.Tokens!.Value.Remaining);
        var refused = Ask(b, limits, 1);
        Assert.Equal(new QuotaRefusal(QuotaLimit.Minute, 100, false, TimeSpan.FromSeconds(1)), refused.Refusal);
        lease.Settle(40);
        await PassAsync(TimeSpan.FromSeconds(1), 62);
        Assert.True(Ask(b, limits, 100).IsAcquired);
    }

    [Fact]
    public async Task Acquire_DaySpentElsewhere_RefusedUntilTomorrow()
    {
        var (a, b) = await TwoAsync();
        var limits = new UsageLimits { TokensPerDay = 100 };
        Ask(a, limits, 100).Settle(100);
        await PassAsync();
        var refused = Ask(b, limits, 1).Refusal;
        Assert.Equal(QuotaLimit.Day, refused.Limit);
        Assert.InRange(refused.RetryAfter!.Value, TimeSpan.FromHours(11.9), TimeSpan.FromHours(12));
        await PassAsync(TimeSpan.FromHours(12));
        await PassAsync(TestQuotas.Sharing.Interval, 100); // no gateway has reported for half a day
        Assert.True(Ask(b, limits, 100).IsAcquired);
    }

    [Fact]
    public async Task Acquire_DayReservedElsewhere_RetrySoon()
    {
        var (a, b) = await TwoAsync();
        var limits = new UsageLimits { TokensPerDay = 100 };
        var lease = Ask(a, limits, 100);
        Assert.Equal(TimeSpan.FromSeconds(1), Ask(b, limits, 1).Refusal.RetryAfter);
        lease.Settle(0);
        _clock.Advance(TestQuotas.Sharing.Interval); // a refused claim is not repeated immediately
        Assert.True(Ask(b, limits, 75).IsAcquired); // the other gateway keeps its part of the half for recent demand
    }

    [Fact]
    public async Task Acquire_LastSlotFreedElsewhere_FreeWithinInterval()
    {
        var (a, b) = await TwoAsync();
        var limits = new UsageLimits { ConcurrentRequests = 1 };
        for (var n = 0; n < 4; n++)
        {
            var lease = Ask(n % 2 == 0 ? a : b, limits);
            Assert.Equal(QuotaLimit.Concurrency, Ask(n % 2 == 0 ? b : a, limits).Refusal.Limit);
            lease.Settle(0);
            _clock.Advance(TestQuotas.Sharing.Interval); // a refused claim is not repeated immediately
        }
    }

    [Fact]
    public async Task Acquire_RequestsPerSecond_OneBucketForAll()
    {
        var (a, b) = await TwoAsync();
        var limits = new UsageLimits { RequestsPerSecond = 4 };
        var admitted = Enumerable.Range(0, 10).Count(n => Ask(n % 2 == 0 ? a : b, limits).IsAcquired);
        Assert.Equal(4, admitted);
        Assert.Equal(TimeSpan.FromSeconds(0.25), Ask(a, limits).Refusal.RetryAfter);
        _clock.Advance(TimeSpan.FromSeconds(0.25));
        Assert.True(Ask(b, limits).IsAcquired);
        Assert.False(Ask(a, limits).IsAcquired);
        // The permits of cancelled requests come back in time.
        await PassAsync(TestQuotas.Sharing.Interval, 100);
        Assert.Equal(4, Enumerable.Range(0, 10).Count(_ => Ask(a, limits).IsAcquired));
    }

    [Fact]
    public async Task Acquire_ModelHasOwnLimits_BothHoldAcrossGateways()
    {
        var (a, b) = await TwoAsync();
        var (limits, ofModel) = (new UsageLimits { TokensPerMinute = 100 }, new UsageLimits { TokensPerMinute = 50 });
        Assert.True(Ask(a, limits, 40, ofModel).IsAcquired);
        Assert.True(Ask(b, limits, 20, ofModel).Refusal.OfModel);
        Assert.True(Ask(b, limits, 60).IsAcquired);
        Assert.False(Ask(b, limits, 10, ofModel).Refusal.OfModel);
    }

    [Fact]
    public async Task Acquire_OneGatewayOnly_WholeLimit()
    {
        var (a, _) = await TwoAsync();
        var limits = new UsageLimits { TokensPerMinute = 100, TokensPerDay = 100, ConcurrentRequests = 2, RequestsPerSecond = 100 };
        for (var n = 0; n < 100; n++)
        {
            Ask(a, limits, 1).Settle(1);
            _clock.Advance(TimeSpan.FromMilliseconds(10));
            if (n % 5 == 0)
                await PassAsync();
        }

        Assert.False(Ask(a, limits, 1).IsAcquired);
    }

    [Fact]
    public async Task Acquire_FastTenant_NoExchange()
    {
        var (a, _) = await TwoAsync();
        var limits = new UsageLimits { TokensPerMinute = 10_000_000, TokensPerDay = 100_000_000, ConcurrentRequests = 1000, RequestsPerSecond = 100_000 };
        void Burst()
        {
            for (var n = 0; n < 100; n++)
                Ask(a, limits, 500).Settle(50);
        }

        for (var warm = 0; warm < 3; warm++)
        {
            Burst();
            await PassAsync(TestQuotas.Sharing.Interval);
        }

        var before = _shares.Exchanges;
        for (var n = 0; n < 20; n++)
        {
            Burst();
            await PassAsync(TestQuotas.Sharing.Interval);
        }

        Assert.InRange(_shares.Exchanges - before, 1, 20);
    }

    [Fact]
    public async Task Acquire_RecentlyRefused_NoExchange()
    {
        var (a, b) = await TwoAsync();
        var limits = new UsageLimits { TokensPerMinute = 100 };
        Ask(a, limits, 100);
        Assert.False(Ask(b, limits, 10).IsAcquired);
        var before = _shares.Exchanges;
        for (var n = 0; n < 50; n++)
            Assert.Equal(QuotaLimit.Minute, Ask(b, limits, 10).Refusal.Limit);
        Assert.Equal(before, _shares.Exchanges);
    }

    [Fact]
    public async Task Tick_IdleTenants_NotReportedAndForgotten()
    {
        var (a, b) = await TwoAsync();
        var limits = new UsageLimits { ConcurrentRequests = 5, TokensPerMinute = 100 };
        Ask(a, limits, 10).Settle(0);
        await PassAsync(TestQuotas.Sharing.Interval, 60);
        var before = _shares.Exchanges;
        await PassAsync(TestQuotas.Sharing.Interval, 60);
        Assert.Equal(before, _shares.Exchanges);
        Assert.True(Ask(b, limits, 100).IsAcquired);
        Assert.True(Ask(a, limits, 0).IsAcquired);
    }

    [Fact]
    public async Task Acquire_ManyWait_ShareOneExchange()
    {
        var (a, _) = await TwoAsync();
        var limits = new UsageLimits { TokensPerMinute = 100 };
        var gate = new TaskCompletionSource();
        _shares.Gate = gate.Task;
        var before = _shares.Exchanges;
        var asked = Enumerable.Range(0, 12).Select(_ => a.AcquireAsync(Demand(limits, 10), Cancelled).AsTask()).ToArray();
        Assert.DoesNotContain(asked, t => t.IsCompleted);
        gate.SetResult();
        var leases = await Task.WhenAll(asked);
        Assert.Equal(Enumerable.Repeat(true, 10).Concat([false, false]), leases.Select(l => l.IsAcquired));
        Assert.Equal(before + 2, _shares.Exchanges); // the first request alone, all others with the next exchange
    }

    [Fact]
    public async Task Acquire_NoResponseInTime_ContinuesAfterTimeout()
    {
        var (a, _) = await TwoAsync();
        var limits = new UsageLimits { TokensPerMinute = 100 };
        _shares.Gate = new TaskCompletionSource().Task;
        var open = a.AcquireAsync(Demand(limits, 10), Cancelled).AsTask();
        var closed = a.AcquireAsync(Demand(limits, 10) with { Tenant = "strict", FailClosed = true }, Cancelled).AsTask();
        _clock.Advance(TimeSpan.FromMilliseconds(49));
        Assert.False(open.IsCompleted);
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.True((await open).IsAcquired);
        Assert.Equal(QuotaLimit.Unavailable, (await closed).Refusal.Limit);
    }

    [Fact]
    public async Task Acquire_ClientDisconnects_NothingStaysReserved()
    {
        var (a, _) = await TwoAsync();
        var limits = new UsageLimits { TokensPerMinute = 100 };
        var gate = new TaskCompletionSource();
        _shares.Gate = gate.Task;
        using var gone = new CancellationTokenSource();
        var asked = a.AcquireAsync(Demand(limits, 100), gone.Token).AsTask();
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
        gate.SetResult();
        Assert.Equal((0L, 0), a.Read("t", null, c => (c.Reserved, c.InFlight)));
        Assert.True((await a.AcquireAsync(Demand(limits, 100), Cancelled)).IsAcquired);
    }

    [Fact]
    public async Task Acquire_SharesLost_OpenWithinEvenPartClosedWithinClaim()
    {
        var (a, b) = await TwoAsync();
        var limits = new UsageLimits { TokensPerMinute = 100 };
        foreach (var gateway in new[] { a, b })
            Ask(gateway, limits, 10, failClosed: true, tenant: "strict").Settle(10);
        Ask(a, limits, 70).Settle(70);
        _shares.IsLost = true;
        await PassAsync();

        Assert.False(Ask(a, limits, 1).IsAcquired); // its claim exceeds its even part
        Assert.True(Ask(b, limits, 50).IsAcquired);
        Assert.False(Ask(b, limits, 1).IsAcquired);
        Assert.Equal(new QuotaRefusal(QuotaLimit.Unavailable, 100, false, TimeSpan.FromSeconds(1)), Ask(b, limits, 10, failClosed: true, tenant: "strict").Refusal);

        _shares.IsLost = false;
        await PassAsync(TestQuotas.Sharing.Interval, 30);
        Assert.False(Ask(a, limits, 1).IsAcquired);
        Assert.True(Ask(b, limits, 80, failClosed: true, tenant: "strict").IsAcquired);
    }

    [Fact]
    public async Task Acquire_SharesLostSmallLimit_OneRequestAtATime()
    {
        var (a, b) = await TwoAsync();
        _shares.IsLost = true;
        await PassAsync();
        var limits = new UsageLimits { ConcurrentRequests = 1, TokensPerMinute = 100, RequestsPerSecond = 1 };
        Assert.True(Ask(a, limits, 90).IsAcquired);
        Assert.True(Ask(b, limits, 90).IsAcquired);
        Assert.False(Ask(b, limits, 90).IsAcquired);
    }

    /// <summary>
    /// After the timeout, other gateways take the claims of a gateway that does not report. That gateway must stop using its claims at the same time.
    /// </summary>
    [Fact]
    public async Task Acquire_GatewayPartitioned_ClaimExpiresBeforeOthersTakeIt()
    {
        var (a, _) = await TwoAsync();
        var link = new LosableShares(_shares.Inner);
        var cut = TestQuotas.Of(link, "cut", _clock);
        _gateways.Add(cut);
        var (requests, tokens) = (new UsageLimits { ConcurrentRequests = 100 }, new UsageLimits { TokensPerMinute = 1000 });
        for (var n = 0; n < 10; n++)
        {
            Ask(cut, requests, failClosed: true).Settle(0);
            Ask(cut, tokens, 10, failClosed: true, tenant: "u").Settle(0);
        }

        await PassAsync(TestQuotas.Sharing.Interval);
        link.IsLost = true;
        var second = TimeSpan.FromSeconds(1);
        await PassAsync(second, 2);
        Assert.True(Ask(cut, requests, failClosed: true).IsAcquired);
        Assert.True(Ask(a, requests, failClosed: true).IsAcquired);
        await PassAsync(second, 2);
        Assert.Equal(QuotaLimit.Unavailable, Ask(cut, requests, failClosed: true).Refusal.Limit);
        Assert.Equal(99, Enumerable.Range(0, 200).Count(_ => Ask(a, requests, failClosed: true).IsAcquired));

        Assert.True(Ask(cut, tokens, 10, failClosed: true, tenant: "u").IsAcquired);
        await PassAsync(second, 56);
        Assert.True(Ask(cut, tokens, 10, failClosed: true, tenant: "u").IsAcquired);
        await PassAsync(second, 2);
        Assert.Equal(QuotaLimit.Unavailable, Ask(cut, tokens, 10, failClosed: true, tenant: "u").Refusal.Limit);
        Assert.False(Ask(a, tokens, 1000, failClosed: true, tenant: "u").IsAcquired);
        await PassAsync(second, 66);
        Assert.True(Ask(a, tokens, 1000, failClosed: true, tenant: "u").IsAcquired);
    }

    [Fact]
    public async Task Acquire_SharesEmptied_ClosedUntilAllReported()
    {
        var (a, b) = await TwoAsync();
        var limits = new UsageLimits { TokensPerMinute = 100 };
        Ask(b, limits, 60, failClosed: true).Settle(60);
        await PassAsync();
        _shares.Inner = new MemoryQuotaShares(_clock, isShared: true);
        var late = await StartAsync();
        Assert.Equal(QuotaLimit.Unavailable, Ask(late, limits, 60, failClosed: true).Refusal.Limit);
        Assert.Equal(QuotaLimit.Unavailable, Ask(a, limits, 60, failClosed: true).Refusal.Limit);
        await PassAsync(TestQuotas.Sharing.Interval, 100);
        Assert.Equal(QuotaLimit.Minute, Ask(late, limits, 60, failClosed: true).Refusal.Limit);
        Assert.Equal(default, Ask(late, limits, 40, failClosed: true).Refusal);
    }

    [Fact]
    public async Task Acquire_SharesBackWithOlderState_ClosedUntilAllReported()
    {
        var (a, b) = await TwoAsync();
        var limits = new UsageLimits { TokensPerMinute = 100 };
        Ask(b, limits, 10, failClosed: true).Settle(10);
        var old = _shares.Inner.Copy();
        Ask(b, limits, 80, failClosed: true).Settle(80);
        await RestAsync();
        Assert.Equal(QuotaLimit.Minute, Ask(a, limits, 20, failClosed: true).Refusal.Limit);
        await PassAsync(TestQuotas.Sharing.Interval);
        _shares.Inner = old;
        await b.GreetAsync(Cancelled);
        Assert.Equal(QuotaLimit.Unavailable, Ask(a, limits, 20, failClosed: true).Refusal.Limit);
        await PassAsync(TestQuotas.Sharing.Interval, 100);
        Assert.Equal(QuotaLimit.Minute, Ask(a, limits, 20, failClosed: true).Refusal.Limit);
        Assert.True(Ask(a, limits, 10, failClosed: true).IsAcquired);
    }

    [Fact]
    public async Task Acquire_GatewaySpentDuringLossAndDied_ClaimKeptForMinute()
    {
        var (a, b) = await TwoAsync();
        var limits = new UsageLimits { TokensPerMinute = 100 };
        var lease = Ask(a, limits, 60, failClosed: true);
        _shares.IsLost = true;
        await PassAsync(TimeSpan.FromSeconds(1), 92);
        lease.Settle(60);
        _gateways.Remove(a);
        _shares.IsLost = false;
        await PassAsync(TimeSpan.FromSeconds(1), 59);
        Assert.Equal(QuotaLimit.Minute, Ask(b, limits, 60, failClosed: true).Refusal.Limit);
        await PassAsync(TimeSpan.FromSeconds(1), 70);
        Assert.True(Ask(b, limits, 60, failClosed: true).IsAcquired);
    }

    [Fact]
    public async Task Leave_UnusedClaims_FreedUsedTokensKept()
    {
        var (a, b) = await TwoAsync();
        var limits = new UsageLimits { TokensPerMinute = 1000, ConcurrentRequests = 50, RequestsPerSecond = 1000 };
        for (var n = 0; n < 20; n++)
            Ask(a, limits, 10).Settle(5);
        await PassAsync();
        await a.LeaveAsync();
        _gateways.Remove(a);
        Assert.False(Ask(b, limits, 901).IsAcquired);
        Assert.True(Ask(b, limits, 900).IsAcquired);
    }

    [Fact]
    public async Task Acquire_ManyThreadsThreeGateways_LimitsHoldInTotal()
    {
        const int Tokens = 30_000, Most = 5;
        var shares = new LosableShares(new MemoryQuotaShares(TimeProvider.System, isShared: true)) { Timeout = TimeSpan.FromSeconds(30) };
        var gateways = Enumerable.Range(0, 3).Select(n => TestQuotas.Of(shares, $"g{n}", TimeProvider.System)).ToArray();
        var limits = new UsageLimits { TokensPerDay = Tokens, ConcurrentRequests = Most };
        using var end = new CancellationTokenSource();
        var ticking = gateways.Select(g => Task.Run(async () =>
        {
            while (!end.IsCancellationRequested)
            {
                await g.TickAsync(CancellationToken.None);
                await Task.Yield();
            }
        })).ToArray();
        long spent = 0;
        var (inFlight, admitted) = (0, 0);
        await Task.WhenAll(Enumerable.Range(0, 9).Select(seed => Task.Run(async () =>
        {
            var random = new Random(seed);
            for (var i = 0; i < 500; i++)
            {
                var tokens = random.Next(1, 60);
                var lease = await gateways[(seed + i) % 3].AcquireAsync(Demand(limits, tokens), Cancelled);
                if (!lease.IsAcquired)
                    continue;
                Assert.InRange(Interlocked.Increment(ref inFlight), 1, Most);
                Interlocked.Increment(ref admitted);
                var used = random.Next(0, tokens + 1);
                Assert.InRange(Interlocked.Add(ref spent, used), 0, Tokens);
                Interlocked.Decrement(ref inFlight);
                lease.Settle(used);
            }
        }))).WaitAsync(TimeSpan.FromSeconds(120), Cancelled);
        await end.CancelAsync();
        await Task.WhenAll(ticking);

        Assert.True(admitted > 100);
        Assert.Equal(spent, gateways.Sum(g => g.Read("t", null, c => c.SpentInDay)));
        Assert.All(gateways, g => Assert.Equal((0L, 0), g.Read("t", null, c => (c.Reserved, c.InFlight))));
    }

    private static QuotaDemand Demand(UsageLimits limits, long tokens) => new("t", limits, "m", null, tokens);

    private static QuotaLease Ask(
        QuotaStore gateway, UsageLimits limits, long tokens = 0, UsageLimits? ofModel = null, bool failClosed = false, string tenant = "t")
    {
        var asked = gateway.AcquireAsync(new QuotaDemand(tenant, limits, "m", ofModel, tokens, failClosed), Cancelled);
        // These shares respond immediately or not at all.
        Assert.True(asked.IsCompleted);
        return asked.Result;
    }

    /// <summary>Starts two gateways and lets them pass the cautious time after a start.</summary>
    private async Task<(QuotaStore, QuotaStore)> TwoAsync()
    {
        var (a, b) = (await StartAsync(), await StartAsync());
        await PassAsync(TestQuotas.Sharing.Timeout / 3, 4);
        return (a, b);
    }

    private async Task<QuotaStore> StartAsync()
    {
        var gateway = TestQuotas.Of(_shares, $"g{_gateways.Count}", _clock);
        _gateways.Add(gateway);
        await gateway.GreetAsync(Cancelled);
        return gateway;
    }

    /// <summary>Waits until no room is kept for recent demand.</summary>
    private Task RestAsync() => PassAsync(TestQuotas.Sharing.Interval, 40);

    /// <summary>Lets time pass in steps. All gateways exchange reports after each step.</summary>
    private async Task PassAsync(TimeSpan piece = default, int times = 1)
    {
        for (var n = 0; n < times; n++)
        {
            _clock.Advance(piece);
            foreach (var gateway in _gateways)
                await gateway.TickAsync(Cancelled);
        }
    }
}
