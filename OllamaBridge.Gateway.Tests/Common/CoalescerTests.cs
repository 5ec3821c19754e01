using System.Threading.Channels;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.Tests.Common;

public sealed class CoalescerTests
{
    // Reached only if a test fails.
    private static readonly TimeSpan Guard = TestTimeouts.Guard;
    private readonly Channel<TaskCompletionSource> _runs = Channel.CreateUnbounded<TaskCompletionSource>();
    private readonly Coalescer _coalescer;

    public CoalescerTests() => _coalescer = new Coalescer(() =>
    {
        var run = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _runs.Writer.TryWrite(run);
        return run.Task;
    });

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Run_ManyWhileOneRuns_ShareNextRun()
    {
        var first = _coalescer.RunAsync();
        var others = Enumerable.Range(0, 10).Select(_ => _coalescer.RunAsync()).ToArray();
        var run = await BegunAsync();
        Assert.False(_runs.Reader.TryPeek(out _)); // runs do not overlap
        run.SetResult();
        await first;
        var next = await BegunAsync();
        Assert.All(others, o => Assert.False(o.IsCompleted)); // no caller uses a run that began before its call
        next.SetResult();
        await Task.WhenAll(others).WaitAsync(Guard, Cancelled);
        Assert.False(_runs.Reader.TryPeek(out _));
    }

    [Fact]
    public async Task Run_Sequential_EachHasOwnRun()
    {
        for (var i = 0; i < 3; i++)
        {
            var run = _coalescer.RunAsync();
            (await BegunAsync()).SetResult();
            await run;
        }
    }

    private Task<TaskCompletionSource> BegunAsync() => _runs.Reader.ReadAsync(Cancelled).AsTask().WaitAsync(Guard, Cancelled);
}
