using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Tests.Common;

public sealed class CoalescerTests
{
    private readonly Queue<TaskCompletionSource> _runs = new();
    private readonly Coalescer _coalescer;

    public CoalescerTests() => _coalescer = new Coalescer(() =>
    {
        _runs.Enqueue(new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        return _runs.Last().Task;
    });

    [Fact]
    public async Task Run_ManyWhileOneRuns_ShareTheNextThatBeginsAfterIt()
    {
        var first = _coalescer.RunAsync();
        var others = Enumerable.Range(0, 10).Select(_ => _coalescer.RunAsync()).ToArray();
        Assert.Single(_runs); // none of the others may use what began before they called, and nothing overlaps
        _runs.Dequeue().SetResult();
        await first;
        while (_runs.Count == 0)
            await Task.Yield();
        Assert.All(others, o => Assert.False(o.IsCompleted));
        _runs.Dequeue().SetResult();
        await Task.WhenAll(others);
        Assert.Empty(_runs);
    }

    [Fact]
    public async Task Run_OneAfterTheOther_EachItsOwn()
    {
        for (var i = 0; i < 3; i++)
        {
            var run = _coalescer.RunAsync();
            _runs.Dequeue().SetResult();
            await run;
        }
    }
}
