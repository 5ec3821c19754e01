using OllamaBridge.Gateway.Fleet.Parallelism;

namespace OllamaBridge.Gateway.Tests.Fleet.Parallelism;

public sealed class OverlapHistoryTests
{
    private readonly OverlapHistory _history = new();

    [Theory]
    [InlineData(1, 4, 1)]
    [InlineData(2, 4, 2)]
    [InlineData(3, 8, 3)]
    [InlineData(4, 4, null)] // as many as its parallelism: no request waits in the server
    public void Add_ConstantRequestsInFlight_LearnsOverlap(int parallel, int inFlight, int? learned) => Assert.Equal(learned, Run(parallel, inFlight, prefill: 5));

    [Fact]
    public void Add_WaitsWithoutMatchingEnd_NotLearnedAsOne()
    {
        // Long prompts in sequence: the evaluation of each overlaps the generation of the previous one.
        int? learned = null;
        for (var i = 0; i < 40; i++)
            learned = _history.Add(new OverlapSample(i * 100, (i * 100) + 90, (i * 100) + 260, 4)) ?? learned;
        Assert.True(learned is null or >= 2, $"{learned}");
    }

    [Fact]
    public void Add_SequentialRequests_NothingLearned()
    {
        for (var i = 0; i < 40; i++)
            Assert.Null(_history.Add(new OverlapSample(i * 100, (i * 100) + 10, (i * 100) + 95, 1)));
    }

    [Fact]
    public void Clear_Learned_Forgotten()
    {
        for (var i = 0; i < OverlapHistory.Window - 1; i++)
            Assert.Null(_history.Add(Serial(i)));
        _history.Clear();
        Assert.Null(_history.Add(Serial(7)));
        Assert.Null(_history.Add(Serial(8)));
    }

    [Fact]
    public void Add_EndsBeforeItStarts_Ignored()
    {
        for (var i = 0; i < 20; i++)
            Assert.Null(_history.Add(new OverlapSample(100, 90, 80, 4)));
    }

    [Fact]
    public void Add_ShortWaits_NothingLearned()
    {
        for (var i = 0; i < 40; i++)
            Assert.Null(_history.Add(Serial(i), shortestWait: 301));
    }

    [Fact]
    public void Add_LongWaits_Learned()
    {
        int? learned = null;
        for (var i = 0; i < 40; i++)
            learned = _history.Add(Serial(i), shortestWait: 300) ?? learned;
        Assert.Equal(1, learned);
    }

    private static OverlapSample Serial(int i) => new(Math.Max(0, (i - 3) * 100), i * 100, ((i + 1) * 100) - 5, 4);

    /// <summary>Simulates a server with a parallelism and a client that keeps a constant number of requests in flight.</summary>
    private int? Run(int parallel, int inFlight, int prefill)
    {
        int? learned = null;
        var slots = new long[parallel];
        var ended = new PriorityQueue<OverlapSample, long>();
        var sent = new Queue<long>(Enumerable.Repeat(0L, inFlight));
        for (var i = 0; i < 60; i++)
        {
            var at = Array.IndexOf(slots, slots.Min());
            var sentAt = sent.Dequeue();
            var start = Math.Max(slots[at], sentAt) + prefill;
            var end = start + 80 + (i * 37 % 60);
            slots[at] = end;
            ended.Enqueue(new OverlapSample(sentAt, start, end, inFlight), end);
            // The client sends the next request when the first running one ends.
            if (ended.Count < parallel)
            {
                sent.Enqueue(0);
                continue;
            }

            var next = ended.Dequeue();
            sent.Enqueue(next.EndedAt);
            learned = _history.Add(next) ?? learned;
        }

        return learned;
    }
}
