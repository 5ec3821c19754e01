using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Queueing;

namespace OllamaBridge.Gateway.Tests.Queueing;

/// <summary>
/// Beside tenants that flood the queue, a tenant below its share waits at most as long as with its share of the slots to itself, plus one running
/// request, because a running request keeps its slot. The tests use simulated time and the real queue.
/// </summary>
public class LightTenantTests
{
    [Fact]
    public void Acquire_BesideFloodingTenants_P95WithinOneServiceTimeOfOwnShare() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
        {
            var scene = new Scene(seed);
            var (alone, beside) = (P95(new Run(scene).AloneOnItsShare()), P95(new Run(scene).BesideTheHeavy(isFair: true)));
            Assert.True(beside <= alone + scene.LongestService, $"{scene}: {beside} beside the heavy, {alone} alone");
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(30));

    [Fact]
    public void Acquire_FirstComeFirstServed_WaitsForFlood() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
        {
            // Shows that the test above detects a queue without fairness.
            var scene = new Scene(seed);
            var (alone, beside) = (P95(new Run(scene).AloneOnItsShare()), P95(new Run(scene).BesideTheHeavy(isFair: false)));
            Assert.True(beside > alone + scene.LongestService, $"{scene}: {beside} beside the heavy, {alone} alone");
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(5));

    private static double P95(List<double> waits)
    {
        waits.Sort();
        return waits[(int)Math.Ceiling(0.95 * waits.Count) - 1];
    }

    /// <summary>The random workload, the same for both runs.</summary>
    private sealed class Scene
    {
        private const int Requests = 150;
        private const double SecondsPerToken = 0.01;

        public Scene(int seed)
        {
            Seed = seed;
            var random = new Random(seed);
            Share = random.Next(1, 4);
            var heavy = random.Next(1, 4);
            Others = [.. Enumerable.Range(0, heavy).Select(_ => random.Next(1, 4))];
            // The weights divide the slots so that each tenant's share is a whole number of slots.
            Unit = 0.5 + random.NextDouble();
            ShortestAnswer = random.Next(20, 200);
            LongestAnswer = ShortestAnswer + (random.Next(2) == 0 ? 0 : random.Next(20, 400));
            Load = 0.2 + (0.6 * random.NextDouble());
            var between = (ShortestAnswer + LongestAnswer) / 2.0 * SecondsPerToken / (Share * Load);
            var at = 0.0;
            Arrivals = [.. Enumerable.Range(0, Requests).Select(_ => (At: at += -Math.Log(1 - random.NextDouble()) * between, Answer: Answer(random)))];
        }

        public int Seed { get; }

        public int Share { get; }

        public int[] Others { get; }

        /// <summary>The weight that is worth one slot.</summary>
        public double Unit { get; }

        /// <summary>The part of its share that the light tenant uses.</summary>
        public double Load { get; }

        public int ShortestAnswer { get; }

        public int LongestAnswer { get; }

        /// <summary>The longest service time, in seconds.</summary>
        public double LongestService => Service(LongestAnswer);

        /// <summary>The arrival times of the light tenant's requests, in seconds, and the tokens of their responses.</summary>
        public (double At, int Answer)[] Arrivals { get; }

        public static double Service(int tokens) => tokens * SecondsPerToken;

        public int Answer(Random random) => random.Next(ShortestAnswer, LongestAnswer + 1);

        public override string ToString() =>
            $"seed {Seed}, {Share} slots to {string.Join(" and ", Others)}, load {Load:F2}, answers of {ShortestAnswer} to {LongestAnswer} tokens";
    }

    private sealed class Run(Scene scene)
    {
        private const int Prompt = 10;
        // The number of waiting requests of each heavy tenant, at any time.
        private const int Flood = 40;
        private static readonly TimeSpan Guard = TestTimeouts.Guard;
        private readonly PriorityQueue<(LeaseResult Lease, int Answer), double> _running = new();
        private readonly Dictionary<Tenant, Queue<Request>> _waiting = [];
        private readonly Random _random = new(scene.Seed);
        private readonly List<double> _waits = [];
        private readonly Tenant _light = Of("light", scene.Share * scene.Unit);
        private Tenant[] _heavy = [];
        private double _now;

        public List<double> AloneOnItsShare() => Go(scene.Share);

        public List<double> BesideTheHeavy(bool isFair)
        {
            _heavy = [.. scene.Others.Select((share, i) => Of(isFair ? $"heavy{i}" : "light", isFair ? share * scene.Unit : _light.Weight))];
            return Go(scene.Share + scene.Others.Sum());
        }

        private static Tenant Of(string id, double weight) => new() { Id = id, Weight = weight };

        private List<double> Go(int slots)
        {
            using var harness = new QueueHarness(
                new FleetBuilder().With("i", loaded: "a", slots: slots), new QueueOptions { MaxWait = TimeSpan.FromDays(1), Length = 100_000 });
            foreach (var tenant in _heavy.Append(_light))
                _waiting[tenant] = [];
            foreach (var tenant in _heavy)
                for (var n = 0; n < Flood; n++)
                    Ask(harness, tenant, scene.Answer(_random));
            foreach (var (at, answer) in scene.Arrivals)
            {
                EndUntil(harness, at);
                Advance(harness, at);
                Ask(harness, _light, answer);
            }

            while (_waits.Count < scene.Arrivals.Length)
                EndUntil(harness, _now + scene.LongestService);
            return _waits;
        }

        /// <summary>Ends all requests whose end is due, and starts the next ones.</summary>
        private void EndUntil(QueueHarness harness, double until)
        {
            while (_running.TryPeek(out _, out var end) && end <= until)
            {
                Advance(harness, end);
                var (ended, answer) = _running.Dequeue();
                var waiting = harness.Queue.Count;
                ended.Charge.Settle(answered: true, Prompt, answer);
                ended.Lease!.Dispose();
                if (harness.Queue.Count < waiting)
                    TakeNext(harness);
            }

            Advance(harness, until);
        }

        /// <summary>Finds the request that was served: the first one of a tenant.</summary>
        private void TakeNext(QueueHarness harness)
        {
            var first = _waiting.Where(w => w.Value.Count > 0).Select(w => (w.Key, Request: w.Value.Peek())).ToArray();
            var index = Task.WaitAny([.. first.Select(f => f.Request.Asked)], Guard);
            Assert.True(index >= 0);
            var (tenant, request) = first[index];
            _waiting[tenant].Dequeue();
            Begin(tenant, request);
            if (tenant != _light)
                Ask(harness, tenant, scene.Answer(_random));
        }

        private void Ask(QueueHarness harness, Tenant tenant, int answer)
        {
            var waiting = harness.Queue.Count;
            var asked = harness.Queue.AcquireAsync(
                QueueHarness.Request(FleetBuilder.Key("a")) with { Owner = new LeaseOwner { Tenant = tenant, InputTokens = Prompt } }, CancellationToken.None).AsTask();
            var request = new Request(asked, answer, _now);
            if (harness.Queue.Count > waiting)
                _waiting[tenant].Enqueue(request);
            else
                Begin(tenant, request);
        }

        private void Begin(Tenant tenant, Request request)
        {
            if (tenant == _light)
                _waits.Add(_now - request.At);
            _running.Enqueue((request.Asked.Result, request.Answer), _now + Scene.Service(request.Answer));
        }

        private void Advance(QueueHarness harness, double to)
        {
            if (to > _now)
                harness.Clock.Advance(TimeSpan.FromSeconds(to - _now));
            _now = Math.Max(_now, to);
        }

        private sealed record Request(Task<LeaseResult> Asked, int Answer, double At);
    }
}
