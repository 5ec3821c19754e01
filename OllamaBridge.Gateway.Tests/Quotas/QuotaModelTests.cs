using System.Collections.Immutable;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.State;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Tests.Quotas;

/// <summary>Several gateways, compared with a model that records every response, for any order of events.</summary>
public sealed class QuotaModelTests
{
    private const int Minute = 500, Day = 2000, Most = 6, Largest = 200;
    private static readonly UsageLimits Limits = new() { TokensPerMinute = Minute, TokensPerDay = Day, ConcurrentRequests = Most };
    private static readonly Config Check = Config.QuickThrowOnFailure.WithQuietOnSuccess(true);
    private static readonly Arbitrary<IList<int>> Steps = Gen.Choose(0, 1_000_000_000).ListOf(250).Select(l => (IList<int>)[.. l]).ToArbitrary();
    private static readonly Arbitrary<int> Count = Gen.Choose(2, 4).ToArbitrary();
    private static readonly Arbitrary<int> StartsAt = Gen.Choose(1, (24 * 3600) - 1).ToArbitrary();

    /// <summary>Spent and reserved tokens stay within the limits if shares are lost or return, gateways die, or reports arrive late.</summary>
    [Fact]
    public void FailClosed_AnyInterleaving_SpentAndReservedWithinLimits()
    {
        var (admitted, admittedWhileLost) = (0, 0);
        Prop.ForAll(Steps, Count, StartsAt, (steps, count, startsAt) =>
        {
            var world = new World(count, startsAt, failClosed: true);
            foreach (var step in steps)
            {
                world.Do(step);
                Assert.InRange(world.SpentInMinute + world.Reserved, 0, Minute);
                Assert.InRange(world.SpentToday + world.Reserved, 0, Day);
                Assert.InRange(world.InFlight, 0, Most);
            }

            (admitted, admittedWhileLost) = (admitted + world.Admitted, admittedWhileLost + world.AdmittedWhileLost);
        }).Check(Check);
        // A store that refuses every request would keep every limit.
        Assert.True(admitted > 1000, $"{admitted}");
        Assert.True(admittedWhileLost > 20, $"{admittedWhileLost}");
    }

    /// <summary>Without lost shares the same holds, and no request is refused because of a missing response.</summary>
    [Fact]
    public void FailOpen_NothingLost_SpentAndReservedWithinLimits() => Prop.ForAll(Steps, Count, StartsAt, (steps, count, startsAt) =>
    {
        var world = new World(count, startsAt, failClosed: false) { CanLose = false };
        foreach (var step in steps)
        {
            world.Do(step);
            Assert.InRange(world.SpentInMinute + world.Reserved, 0, Minute);
            Assert.InRange(world.SpentToday + world.Reserved, 0, Day);
            Assert.InRange(world.InFlight, 0, Most);
        }
    }).Check(Check);

    /// <summary>While the shares are lost, each gateway admits its claim, its even part, or one request.</summary>
    [Fact]
    public void FailOpen_SharesLost_WithinClaimsAndEvenParts() => Prop.ForAll(Steps, Count, StartsAt, (steps, count, startsAt) =>
    {
        var world = new World(count, startsAt, failClosed: false);
        world.Lose();
        var before = world.Gateways.Select(g => g.Claims).ToArray();
        foreach (var step in steps)
        {
            world.DoLost(step);
            for (var i = 0; i < count; i++)
            {
                var gateway = world.Gateways[i];
                Assert.InRange(gateway.InFlight, 0, Math.Max(before[i].Requests, Math.Max(1, Most / count)));
                Assert.InRange(gateway.UsedInMinute, 0, Math.Max(before[i].Tokens, Math.Max(Minute / count, Largest)));
            }
        }
    }).Check(Check);

    /// <summary>A tenant that uses only one gateway, slowly, has all of its limits.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Acquire_SlowlyThroughOneGateway_NoNeedlessRefusal(bool failClosed) => Prop.ForAll(Steps, Count, StartsAt, (steps, count, startsAt) =>
    {
        var world = new World(count, startsAt, failClosed) { CanLose = false };
        foreach (var step in steps)
        {
            if (step % 3 != 0)
                world.Pass(TimeSpan.FromMilliseconds(step % 2000));
            if (step % 5 == 0)
                world.End(0, step / 5);
            else if (world.Acquire(0, 1 + (step / 15 % Largest)) is { } refused)
                Assert.True(
                    world.Gateways[0].UsedInMinute + refused > Minute || world.Gateways[0].UsedToday + refused > Day || world.InFlight == Most,
                    $"{refused} refused with {world.Gateways[0].UsedInMinute} in the minute, {world.Gateways[0].UsedToday} today, {world.InFlight} in flight");
        }
    }).Check(Check);

    private sealed class Gateway(QuotaStore store)
    {
        public QuotaStore Store => store;

        public List<(QuotaLease Lease, int Tokens)> Open { get; } = [];

        public int InFlight => Open.Count;

        public long UsedInMinute => store.Read("t", null, c => c.SpentInMinute + c.Reserved);

        public long UsedToday => store.Read("t", null, c => c.SpentInDay + c.Reserved);

        public (long Requests, long Tokens) Claims { get; set; }
    }

    /// <summary>The gateways, their shares, and the record of all events.</summary>
    private sealed class World
    {
        private readonly FakeTimeProvider _clock;
        private readonly SpyingShares _shares;
        private readonly List<(DateTimeOffset At, int Tokens, Gateway By)> _spent = [];
        private readonly bool _failClosed;
        private MemoryQuotaShares _old;
        private int _born;

        public World(int count, int startsAt, bool failClosed)
        {
            _failClosed = failClosed;
            _clock = new FakeTimeProvider(new DateTimeOffset(2026, 1, 31, 0, 0, 0, TimeSpan.Zero).AddSeconds(startsAt));
            _shares = new SpyingShares(new LosableShares(new MemoryQuotaShares(_clock, isShared: true)));
            _old = _shares.Inner.Inner.Copy();
            Gateways = [.. Enumerable.Range(0, count).Select(_ => Start())];
            Pass(TimeSpan.FromSeconds(5)); // all gateways have joined, and none is cautious any more
        }

        public List<Gateway> Gateways { get; }

        public bool CanLose { get; init; } = true;

        public int Admitted { get; private set; }

        public int AdmittedWhileLost { get; private set; }

        public long SpentInMinute => _spent.Where(s => s.At >= _clock.GetUtcNow() - TimeSpan.FromSeconds(60)).Sum(s => s.Tokens);

        public long SpentToday => _spent.Where(s => s.At.UtcDateTime.Date == _clock.GetUtcNow().UtcDateTime.Date).Sum(s => s.Tokens);

        public long Reserved => Gateways.Sum(g => g.Open.Sum(o => o.Tokens));

        public int InFlight => Gateways.Sum(g => g.InFlight);

        public void Do(int step)
        {
            var (what, who, size) = (step % 32, step / 32 % Gateways.Count, step / 128);
            switch (what)
            {
                case < 12:
                    Acquire(who, 1 + (size % Largest));
                    break;
                case < 20:
                    End(who, size);
                    break;
                case < 22:
                    Tick(who);
                    break;
                case 22:
                    Gateways[who].Open.Clear(); // the gateway dies, and its reservations with it
                    Gateways[who] = Start();
                    break;
                case 23 when CanLose:
                    _shares.Inner.IsLost = !_shares.Inner.IsLost;
                    break;
                case 24 when CanLose:
                    Return(size);
                    break;
                case 25 when CanLose:
                    _shares.Inner.AnswersToLose = 1 + (size % 2);
                    break;
                case 26 when CanLose:
                    _shares.Inner.ReportsToDelay = 1 + (size % 2);
                    break;
                case 27:
                    _shares.Inner.HearLateAsync().GetAwaiter().GetResult();
                    break;
                case 28:
                    _old = _shares.Inner.Inner.Copy();
                    break;
                case 29:
                    Pass(TimeSpan.FromSeconds(size % 100));
                    break;
                case 30 when size % 10 == 0:
                    Pass(TimeSpan.FromSeconds(61 - _clock.GetUtcNow().Second + (60 * (59 - _clock.GetUtcNow().Minute))));
                    break;
                default:
                    Pass(TimeSpan.FromMilliseconds(size % 2000));
                    break;
            }
        }

        /// <summary>Makes the shares unreachable. No gateway dies.</summary>
        public void Lose()
        {
            for (var n = 0; n < 10; n++)
                Acquire(n % Gateways.Count, 20 + n);
            foreach (var gateway in Gateways)
                gateway.Claims = _shares.Granted.GetValueOrDefault(gateway.Store);
            _shares.Inner.IsLost = true;
        }

        public void DoLost(int step)
        {
            var (what, who, size) = (step % 16, step / 16 % Gateways.Count, step / 64);
            if (what < 9)
                Acquire(who, 1 + (size % Largest));
            else if (what < 13)
                End(who, size);
            else
                Pass(TimeSpan.FromMilliseconds(size % 20_000));
        }

        /// <returns>The number of refused tokens; null if the request was admitted.</returns>
        public int? Acquire(int who, int tokens)
        {
            _shares.Asking = Gateways[who].Store;
            var asked = Gateways[who].Store.AcquireAsync(new QuotaDemand("t", Limits, "m", null, tokens, _failClosed), CancellationToken.None);
            Assert.True(asked.IsCompleted);
            if (!asked.Result.IsAcquired)
                return tokens;
            Gateways[who].Open.Add((asked.Result, tokens));
            Admitted++;
            AdmittedWhileLost += _shares.Inner.IsLost ? 1 : 0;
            return null;
        }

        public void End(int who, int size)
        {
            var open = Gateways[who].Open;
            if (open.Count == 0)
                return;
            var (lease, tokens) = open[size % open.Count];
            open.RemoveAt(size % open.Count);
            var used = size / 7 % (tokens + 1);
            _shares.Asking = Gateways[who].Store;
            lease.Settle(used);
            _spent.Add((_clock.GetUtcNow(), used, Gateways[who]));
        }

        /// <summary>Lets time pass in steps. All gateways exchange reports after each step.</summary>
        public void Pass(TimeSpan time)
        {
            // An interval is shorter. The gateways must exchange reports several times within a timeout.
            var piece = TestQuotas.Sharing.Timeout / 5;
            while (time > TimeSpan.Zero)
            {
                _clock.Advance(time < piece ? time : piece);
                time -= piece;
                for (var who = 0; who < Gateways.Count; who++)
                    Tick(who);
            }
        }

        /// <summary>Makes the shares reachable again: with their state, with an older state, or empty.</summary>
        private void Return(int size)
        {
            // The tokens that dead gateways spent are lost with the state of the shares.
            if (size % 3 != 0)
                _spent.RemoveAll(s => !Gateways.Contains(s.By));
            if (size % 3 == 1)
                _shares.Inner.Inner = _old.Copy();
            else if (size % 3 == 2)
                _shares.Inner.Inner = new MemoryQuotaShares(_clock, isShared: true);
            _shares.Inner.IsLost = false;
            (_shares.Inner.AnswersToLose, _shares.Inner.ReportsToDelay) = (0, 0);
            // All live gateways report before another one dies or starts. The ADR describes the other case.
            for (var who = 0; who < Gateways.Count; who++)
            {
                Gateways[who].Store.GreetAsync(CancellationToken.None).GetAwaiter().GetResult();
                Tick(who);
            }
        }

        private Gateway Start()
        {
            var store = TestQuotas.Of(_shares, $"g{_born++}", _clock);
            store.GreetAsync(CancellationToken.None).GetAwaiter().GetResult();
            return new Gateway(store);
        }

        private void Tick(int who)
        {
            _shares.Asking = Gateways[who].Store;
            Gateways[who].Store.TickAsync(CancellationToken.None).GetAwaiter().GetResult();
        }
    }

    /// <summary>Records the last grant of each gateway.</summary>
    private sealed class SpyingShares(LosableShares inner) : IQuotaShares
    {
        public LosableShares Inner => inner;

        public QuotaStore? Asking { get; set; }

        public Dictionary<QuotaStore, (long Requests, long Tokens)> Granted { get; } = [];

        public bool IsShared => true;

        public TimeSpan Timeout => inner.Timeout;

        public async ValueTask<QuotaResult?> ExchangeAsync(QuotaReport report, CancellationToken cancellationToken)
        {
            var answer = await inner.ExchangeAsync(report, cancellationToken);
            if (answer is not null && report.Tenant.Length > 0 && Asking is not null)
                Granted[Asking] = (Of(QuotaLimit.Concurrency), Of(QuotaLimit.Minute));
            return answer;

            long Of(QuotaLimit kind) => report.Uses.Zip(answer.Grants).FirstOrDefault(u => u.First.Kind == kind).Second.Granted;
        }
    }
}
