using System.Threading.RateLimiting;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Tests.Quotas;

/// <summary>The limits of a single gateway.</summary>
public sealed class QuotaStoreTests
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 31, 12, 0, 0, TimeSpan.Zero);
    private readonly FakeTimeProvider _clock = new(Noon);
    private readonly QuotaStore _store;

    public QuotaStoreTests() => _store = TestQuotas.Alone(_clock);

    [Fact]
    public void Acquire_RequestsPerSecond_OneSecondBurstThenRate()
    {
        var limits = new UsageLimits { RequestsPerSecond = 2 };
        Assert.Equal((2, 1), Requests(Ask(limits)));
        Assert.Equal((2, 0), Requests(Ask(limits)));
        var refused = Ask(limits);
        Assert.Equal(new QuotaRefusal(QuotaLimit.Requests, 2, false, TimeSpan.FromSeconds(0.5)), refused.Refusal);
        Assert.True(refused.TryGetMetadata(MetadataName.RetryAfter, out var retryAfter));
        Assert.Equal(TimeSpan.FromSeconds(0.5), retryAfter);

        _clock.Advance(TimeSpan.FromSeconds(0.5));
        Assert.True(Ask(limits).IsAcquired);
        Assert.False(Ask(limits).IsAcquired);
    }

    [Fact]
    public void Acquire_LessThanOneRequestPerSecond_OneAtATime()
    {
        var limits = new UsageLimits { RequestsPerSecond = 0.1 };
        Assert.True(Ask(limits).IsAcquired);
        Assert.Equal(10, Ask(limits).Refusal.RetryAfter!.Value.TotalSeconds, 3);
        _clock.Advance(TimeSpan.FromSeconds(10.1));
        Assert.True(Ask(limits).IsAcquired);
    }

    [Fact]
    public void Acquire_Concurrency_FreeAfterSettle()
    {
        var limits = new UsageLimits { ConcurrentRequests = 1 };
        var first = Ask(limits);
        Assert.Equal(QuotaLimit.Concurrency, Ask(limits).Refusal.Limit);
        first.Settle(0);
        first.Settle(0);
        first.Dispose();
        Assert.True(Ask(limits).IsAcquired);
        Assert.False(Ask(limits).IsAcquired);
    }

    [Fact]
    public void Acquire_Refused_OtherLimitsUnchanged()
    {
        var limits = new UsageLimits { RequestsPerSecond = 1, ConcurrentRequests = 5, TokensPerDay = 100 };
        Assert.Equal(QuotaLimit.Day, Ask(limits, 101).Refusal.Limit);
        Assert.Equal((1, 0), Requests(Ask(limits, 100)));
        Assert.Equal(1, _store.Read("t", null, c => c.InFlight));
    }

    [Fact]
    public void Acquire_MoreThanLimit_NoRetryAfter()
    {
        Assert.Null(Ask(new UsageLimits { TokensPerMinute = 100 }, 101).Refusal.RetryAfter);
        Assert.Null(Ask(new UsageLimits { TokensPerDay = 100 }, 101).Refusal.RetryAfter);
    }

    [Fact]
    public void Acquire_NoTokensNeeded_IgnoresTokenLimits()
    {
        var limits = new UsageLimits { TokensPerMinute = 100 };
        Ask(limits, 100).Settle(100);
        Assert.False(Ask(limits, 1).IsAcquired);
        Assert.True(Ask(limits, 0).IsAcquired);
    }

    [Fact]
    public void Acquire_MinuteSpent_FreeAfterMinute()
    {
        var limits = new UsageLimits { TokensPerMinute = 100 };
        Ask(limits, 60).Settle(60);
        _clock.Advance(TimeSpan.FromSeconds(30));
        Ask(limits, 40).Settle(40);

        // 50 fit when the 60 have expired; 70 fit only when the rest has expired, too.
        Assert.Equal(TimeSpan.FromSeconds(31), Ask(limits, 50).Refusal.RetryAfter);
        Assert.Equal(TimeSpan.FromSeconds(61), Ask(limits, 70).Refusal.RetryAfter);
        _clock.Advance(TimeSpan.FromSeconds(31));
        Assert.True(Ask(limits, 50).IsAcquired);
    }

    [Fact]
    public void Acquire_DaySpent_FreeAtMidnightUtc()
    {
        var limits = new UsageLimits { TokensPerDay = 100 };
        Ask(limits, 100).Settle(100);
        Assert.Equal(TimeSpan.FromHours(12), Ask(limits, 1).Refusal.RetryAfter);
        _clock.Advance(TimeSpan.FromHours(12));
        Assert.True(Ask(limits, 100).IsAcquired);
    }

    [Fact]
    public void Settle_LessThanReserved_RestIsFree()
    {
        var limits = new UsageLimits { TokensPerMinute = 100 };
        var lease = Ask(limits, 80);
        Assert.Equal(20, lease.Levels.Tokens!.Value.Remaining);
        lease.Settle(10);
        Assert.Equal(0, Ask(limits, 90).Levels.Tokens!.Value.Remaining);
    }

    [Fact]
    public void Settle_MoreThanReserved_Charged()
    {
        var limits = new UsageLimits { TokensPerMinute = 100 };
        Ask(limits, 10).Settle(150);
        var refused = Ask(limits, 1);
        Assert.Equal((100, 0), (refused.Levels.Tokens!.Value.Limit, refused.Levels.Tokens.Value.Remaining));
        Assert.Equal(TimeSpan.FromSeconds(61), refused.Refusal.RetryAfter);
    }

    [Fact]
    public void Acquire_ModelHasOwnLimits_BothHold()
    {
        var limits = new UsageLimits { TokensPerMinute = 100 };
        var ofModel = new UsageLimits { TokensPerMinute = 50 };
        Assert.True(Ask(limits, 40, ofModel).IsAcquired);
        var refused = Ask(limits, 20, ofModel);
        Assert.True(refused.Refusal.OfModel);
        Assert.Equal(50, refused.Levels.Tokens!.Value.Limit);
        Assert.True(Ask(limits, 60).IsAcquired);
        Assert.False(Ask(limits, 5, ofModel).Refusal.OfModel);
    }

    [Fact]
    public void Acquire_OtherTenant_HasOwnLimits()
    {
        var limits = new UsageLimits { ConcurrentRequests = 1 };
        Assert.True(Ask(limits).IsAcquired);
        Assert.True(Ask(limits, tenant: "other").IsAcquired);
    }

    /// <summary>
    /// Compared with a model that records every response: spent and reserved tokens stay within the limits, and no request is refused without need.
    /// </summary>
    [Fact]
    public void Store_AnyInterleaving_SpentAndReservedWithinLimit() => Prop.ForAll(
        Gen.Choose(0, 1_000_000_000).ListOf(300).ToArbitrary(), Gen.Elements(false, true).ToArbitrary(), Gen.Choose(1, 23 * 3600).ToArbitrary(),
        (steps, overruns, startsAt) => Run(steps, overruns, startsAt)).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true));

    private static void Run(IEnumerable<int> steps, bool overruns, int startsAt)
    {
        const int Minute = 500, Day = 2000;
        var limits = new UsageLimits { TokensPerMinute = Minute, TokensPerDay = Day, ConcurrentRequests = 6 };
        var clock = new FakeTimeProvider(Noon.Date.AddSeconds(startsAt));
        var store = TestQuotas.Alone(clock);
        var open = new List<(QuotaLease Lease, int Reserved)>();
        var spent = new List<(DateTimeOffset At, int Tokens)>();
        int In(TimeSpan last) => spent.Where(s => s.At >= clock.GetUtcNow() - last).Sum(s => s.Tokens);
        int Today() => spent.Where(s => s.At.UtcDateTime.Date == clock.GetUtcNow().UtcDateTime.Date).Sum(s => s.Tokens);
        foreach (var step in steps)
        {
            var size = step / 8;
            switch (step % 8)
            {
                case 0 or 1 or 2 or 3:
                    var tokens = 1 + (size % 200);
                    var reserved = open.Sum(o => o.Reserved);
                    var lease = store.AcquireAsync(new QuotaDemand("t", limits, "m", null, tokens), CancellationToken.None).Result;
                    if (lease.IsAcquired)
                    {
                        open.Add((lease, tokens));
                        Assert.InRange(In(TimeSpan.FromSeconds(60)) + reserved + tokens, 0, Minute);
                        Assert.InRange(Today() + reserved + tokens, 0, Day);
                        Assert.InRange(open.Count, 1, 6);
                    }
                    else
                    {
                        Assert.True(In(TimeSpan.FromSeconds(61)) + reserved + tokens > Minute || Today() + reserved + tokens > Day || open.Count == 6);
                    }

                    break;
                case 4 or 5 or 6 when open.Count > 0:
                    var (ending, held) = open[size % open.Count];
                    open.RemoveAt(size % open.Count);
                    var used = size / 7 % (held * (overruns ? 2 : 1) + 1);
                    ending.Settle(used);
                    ending.Settle(used + 1);
                    spent.Add((clock.GetUtcNow(), used));
                    break;
                default:
                    clock.Advance(TimeSpan.FromMilliseconds(size % 5 == 0 ? size % 7_200_000 : size % 40_000));
                    break;
            }

            Assert.Equal((open.Count, (long)open.Sum(o => o.Reserved)), store.Read("t", null, c => (c.InFlight, c.Reserved)));
            Assert.Equal(Today(), store.Read("t", null, c => c.SpentInDay));
            if (overruns)
                continue;
            Assert.InRange(In(TimeSpan.FromSeconds(60)) + open.Sum(o => o.Reserved), 0, Minute);
            Assert.InRange(Today() + open.Sum(o => o.Reserved), 0, Day);
        }
    }

    [Fact]
    public async Task Store_ManyThreads_NothingLostLimitsKept()
    {
        const int Limit = 100_000, Most = 5;
        var limits = new UsageLimits { TokensPerDay = Limit, ConcurrentRequests = Most };
        var ofModel = new UsageLimits { TokensPerDay = Limit / 2 };
        long spent = 0;
        var inFlight = 0;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(seed => Task.Run(() =>
        {
            var random = new Random(seed);
            for (var i = 0; i < 1000; i++)
            {
                var lease = Ask(limits, random.Next(1, 60), i % 3 == 0 ? ofModel : null);
                var (seen, reserved) = _store.Read("t", null, c => (c.SpentInDay, c.Reserved));
                Assert.InRange(seen + reserved, 0, Limit);
                if (!lease.IsAcquired)
                    continue;
                Assert.InRange(Interlocked.Increment(ref inFlight), 1, Most);
                var used = random.Next(0, 2);
                Interlocked.Add(ref spent, used);
                Interlocked.Decrement(ref inFlight);
                // The first call settles the lease.
                Parallel.Invoke(() => lease.Settle(used), () => lease.Settle(used));
            }
        }))).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);

        Assert.Equal((spent, 0L, 0), _store.Read("t", null, c => (c.SpentInDay, c.Reserved, c.InFlight)));
        Assert.Equal((0L, 0), _store.Read("t", "m", c => (c.Reserved, c.InFlight)));
    }

    private QuotaLease Ask(UsageLimits limits, long tokens = 0, UsageLimits? ofModel = null, string tenant = "t")
    {
        var asked = _store.AcquireAsync(new QuotaDemand(tenant, limits, "m", ofModel, tokens), CancellationToken.None);
        Assert.True(asked.IsCompleted);
        return asked.Result;
    }

    private static (long, long) Requests(QuotaLease lease)
    {
        Assert.True(lease.IsAcquired);
        return (lease.Levels.Requests!.Value.Limit, lease.Levels.Requests.Value.Remaining);
    }
}
