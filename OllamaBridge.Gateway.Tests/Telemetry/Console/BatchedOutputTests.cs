using System.Text;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Telemetry.Console;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.Tests.Telemetry.Console;

public sealed class BatchedOutputTests
{
    private readonly FakeTimeProvider _clock = new();
    private readonly Written _written = new();

    [Fact]
    public void Append_Several_OneWriteAfterDelay()
    {
        using var output = Open();

        output.Append(Line("one"), soon: false);
        _clock.Advance(BatchedOutput.Delay / 2);
        output.Append(Line("two"), soon: false);
        Assert.Empty(_written.Batches);
        _clock.Advance(BatchedOutput.Delay / 2);

        Assert.Equal(["one\ntwo\n"], _written.Batches);
    }

    [Fact]
    public void Append_AfterBatch_NewBatch()
    {
        using var output = Open();
        output.Append(Line("one"), soon: false);
        _clock.Advance(BatchedOutput.Delay);

        output.Append(Line("two"), soon: false);
        _clock.Advance(BatchedOutput.Delay);

        Assert.Equal(["one\n", "two\n"], _written.Batches);
    }

    [Fact]
    public void Append_Urgent_WritesWaitingLinesToo()
    {
        using var output = Open();
        output.Append(Line("info"), soon: false);

        output.Append(Line("warning"), soon: true);
        _clock.Advance(TimeSpan.Zero);

        Assert.Equal(["info\nwarning\n"], _written.Batches);
    }

    [Fact]
    public void Append_FullAndDrops_ReportsCount()
    {
        using var output = new BatchedOutput(_written, 2, drops: true, TimeProvider.System);
        _written.Stop();
        for (var i = 0; i < 5; i++)
            output.Append(Line($"{i}"), soon: false);

        _written.GoOn();
        output.Flush();

        var all = string.Concat(_written.Batches);
        Assert.Equal(5, all.Split('\n').Count(l => l.Length == 1) + int.Parse(all.Split('\n').Single(l => l.Contains("dropped")).Split(' ')[0]));
    }

    [Fact]
    public async Task Append_Full_WaitsForRoom()
    {
        using var output = new BatchedOutput(_written, 1, drops: false, TimeProvider.System);
        _written.Stop();

        var all = Task.Run(() =>
        {
            for (var i = 0; i < 10; i++)
                output.Append(Line($"{i}"), soon: false);
        }, TestContext.Current.CancellationToken);
        // One line is being written, one line waits, and one writer waits.
        await Eventually.BecomesAsync(() => _written.IsAsked, TimeSpan.FromSeconds(20));
        Assert.False(all.IsCompleted);
        _written.GoOn();
        await all.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        output.Flush();

        Assert.Equal("0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n", string.Concat(_written.Batches));
    }

    [Fact]
    public void Append_OutputFails_Continues()
    {
        using var output = Open();
        _written.Fails = true;
        output.Append(Line("lost"), soon: false);
        _clock.Advance(BatchedOutput.Delay);

        _written.Fails = false;
        output.Append(Line("read"), soon: false);
        _clock.Advance(BatchedOutput.Delay);

        Assert.Equal(["read\n"], _written.Batches);
    }

    [Fact]
    public void Dispose_LinesWaiting_WritesThem()
    {
        var output = Open();
        output.Append(Line("last"), soon: false);

        output.Dispose();
        output.Append(Line("after"), soon: true);
        output.Dispose();

        Assert.Equal(["last\n"], _written.Batches);
        Assert.True(_written.IsDisposed);
    }

    [Fact]
    public async Task Append_Concurrent_EveryLineOnceInOrder()
    {
        const int Writers = 8;
        const int Lines = 2000;
        using (var output = new BatchedOutput(_written, 100, drops: false, TimeProvider.System))
        {
            await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(() =>
            {
                for (var i = 0; i < Lines; i++)
                    output.Append(Line($"{writer} {i}"), soon: i % 100 == 0);
            }, TestContext.Current.CancellationToken)));
        }

        var read = string.Concat(_written.Batches).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(' ')).ToLookup(l => l[0], l => int.Parse(l[1]));
        Assert.Equal(Writers, read.Count);
        Assert.All(read, lines => Assert.Equal(Enumerable.Range(0, Lines), lines));
        Assert.True(_written.Batches.Count < Writers * Lines);
    }

    private static StringBuilder Line(string text) => new(text + "\n");

    private BatchedOutput Open() => new(_written, 100, drops: false, _clock);

    /// <summary>Records the text between two flushes.</summary>
    private sealed class Written : StringWriter
    {
        private readonly ManualResetEventSlim _open = new(true);

        public List<string> Batches { get; } = [];

        public bool Fails { get; set; }

        public bool IsAsked { get; private set; }

        public bool IsDisposed { get; private set; }

        public void Stop() => _open.Reset();

        public void GoOn() => _open.Set();

        public override void Flush()
        {
            IsAsked = true;
            _open.Wait(TimeSpan.FromSeconds(20));
            var batch = ToString();
            GetStringBuilder().Clear();
            if (Fails)
                throw new IOException("no reader");
            Batches.Add(batch);
        }

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            base.Dispose(disposing);
        }
    }
}
