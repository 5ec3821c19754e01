using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Quotas;

namespace OllamaBridge.Gateway.Tests.Queueing;

/// <summary>The fairness bound of the VTC paper over random workloads. Tests the pure decision, without a clock or sockets.</summary>
public class FairnessPropertyTests
{
    private static readonly TokenPrices Prices = new(1, 2);

    [Fact]
    public void Next_BackloggedTenants_ServiceWithinBound() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed => new Workload(seed, Estimates.None).Run())
            .Check(Config.QuickThrowOnFailure.WithMaxTest(100));

    [Fact]
    public void Next_WrongEstimates_ServiceWithinBoundPlusError() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed => new Workload(seed, Estimates.Prompts).Run())
            .Check(Config.QuickThrowOnFailure.WithMaxTest(100));

    [Fact]
    public void Next_ExpectedOutput_ServiceWithinBoundPlusError() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed => new Workload(seed, Estimates.PromptsAndAnswers).Run())
            .Check(Config.QuickThrowOnFailure.WithMaxTest(100));

    private enum Estimates
    {
        None,
        Prompts,
        PromptsAndAnswers,
    }

    [Fact]
    public void Next_EqualCounters_FirstCome() =>
        Assert.Equal(1, FairShare.Next<Line>([new Line { Counter = 1, Arrival = 1 }, new Line { Arrival = 7 }, new Line { Arrival = 9 }]));

    [Fact]
    public void Next_NoTenants_Minus1() => Assert.Equal(-1, FairShare.Next<Line>([]));

    [Fact]
    public void Ahead_OtherTenants_CountByWeightUpToTheirRequests()
    {
        Line[] lines = [new() { Waiting = 5 }, new() { Waiting = 100, Weight = 2 }, new() { Waiting = 3 }];
        Assert.Equal(5 + 12 + 3, FairShare.Ahead(5, 1, lines, self: 0));
        Assert.Equal(5 + 0, FairShare.Ahead(5, 1, lines.AsSpan(0, 1), self: 0)); // a single tenant: first come, first served
        Assert.Equal(1 + 2 + 1, FairShare.Ahead(0, 1, lines, self: -1));
    }

    private sealed class Line : IContender
    {
        public double Counter { get; set; }

        public long Arrival { get; set; }

        public int Waiting { get; set; }

        public double Weight { get; set; } = 1;
    }

    private sealed record Running(int Tenant, TokenCharge Charge, long Input, long Output);

    /// <summary>Two to twenty tenants of random weights over one to eight slots. Some are backlogged throughout, the others are not.</summary>
    private sealed class Workload(int seed, Estimates estimates)
    {
        private const int MaxInput = 400;
        private const int MaxOutput = 600;
        private readonly Random _random = new(seed);
        private readonly VirtualCounters _counters = new();
        private readonly List<Running> _running = [];

        public void Run()
        {
            var tenants = _random.Next(2, 21);
            var slots = _random.Next(1, 9);
            var weights = Enumerable.Range(0, tenants).Select(_ => 0.5 + (_random.NextDouble() * 4)).ToArray();
            // At least the first two tenants are backlogged throughout, and about half of the others.
            var always = Enumerable.Range(0, tenants).Select(t => t < 2 || _random.Next(2) == 0).ToArray();
            var waiting = new int[tenants];
            var charged = new double[tenants];
            var worst = 0.0;
            long arrivals = 0;
            var first = new long[tenants];
            var counters = new TenantCounter[tenants];

            void Arrive(int tenant)
            {
                counters[tenant] = _counters.Join($"t{tenant}");
                if (waiting[tenant]++ == 0)
                    first[tenant] = ++arrivals;
            }

            for (var tenant = 0; tenant < tenants; tenant++)
                if (always[tenant])
                    Arrive(tenant);
            for (var step = 0; step < 1500; step++)
            {
                for (var tenant = 0; tenant < tenants; tenant++)
                    if (always[tenant] ? waiting[tenant] < 2 : _random.Next(30) == 0)
                        Arrive(tenant);
                if (_running.Count == slots)
                {
                    // Requests end in any order. Each is settled before its slot goes to the next one.
                    var ended = _running[_random.Next(slots)];
                    _running.Remove(ended);
                    ended.Charge.Settle(answered: true, ended.Input, ended.Output);
                    charged[ended.Tenant] +=
                        (Prices.Input * (ended.Input - ended.Charge.InputTokens)) + (Prices.Output * (ended.Output - ended.Charge.OutputTokens));
                }

                var lines = Enumerable.Range(0, tenants).Where(t => waiting[t] > 0)
                    .Select(t => (Tenant: t, Line: new Line { Counter = counters[t].Value, Arrival = first[t], Waiting = waiting[t] })).ToArray();
                var next = lines[FairShare.Next<Line>(lines.Select(l => l.Line).ToArray())].Tenant;
                long input = _random.Next(1, MaxInput + 1), output = _random.Next(0, MaxOutput + 1);
                var estimate = estimates == Estimates.None ? input : _random.Next(1, MaxInput + 1);
                var perToken = estimates == Estimates.PromptsAndAnswers ? Prices.Output / weights[next] : 0;
                var expected = _counters.Serve(counters[next], TokenCharge.Cost(estimate, Prices, weights[next]), perToken);
                expected = perToken > 0 ? expected : 0;
                waiting[next]--;
                first[next] = ++arrivals;
                charged[next] += (Prices.Input * estimate) + (Prices.Output * expected);
                _running.Add(new Running(next, new TokenCharge(_counters, counters[next], Prices, weights[next], estimate, expected), input, output));

                // U: the maximum cost of all running requests. With exact estimates no cost is returned.
                var u = slots * ((Prices.Input * MaxInput) + (Prices.Output * MaxOutput));
                var e = slots * estimates switch
                {
                    Estimates.None => 0,
                    Estimates.Prompts => Prices.Input * MaxInput,
                    _ => (Prices.Input * MaxInput) + (Prices.Output * MaxOutput),
                };
                for (var f = 0; f < tenants; f++)
                    for (var g = 0; g < tenants; g++)
                        if (f != g && always[f] && always[g])
                        {
                            var gap = (charged[f] / weights[f]) - (charged[g] / weights[g]);
                            worst = Math.Max(worst, gap);
                            // Both start at 0, so each one's service is its counter. This is the lemma's bound, half of the theorem's.
                            if (gap > (u / weights[f]) + (e / weights[g]) + 1e-6)
                                Assert.Fail($"seed {seed}, step {step}: {gap} between {f} and {g} of {tenants} on {slots} slots");
                        }
            }

            Assert.True(worst > 0);
        }
    }
}
