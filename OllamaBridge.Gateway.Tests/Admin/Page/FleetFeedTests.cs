using System.Threading.Channels;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Admin.Page;

namespace OllamaBridge.Gateway.Tests.Admin.Page;

public sealed class FleetFeedTests : IDisposable
{
    private readonly FakeTimeProvider _clock = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly FleetFeed _feed;
    private int _taken;
    private bool _fails;

    public FleetFeedTests() => _feed = new FleetFeed(Take, _stop.Token, _clock, NullLogger<FleetFeed>.Instance);

    public void Dispose()
    {
        _feed.Dispose();
        _stop.Dispose();
    }

    [Fact]
    public void Join_TwoListeners_ShareOneSnapshotPerSecond()
    {
        _clock.Advance(FleetFeed.Interval * 5);
        Assert.Equal(0, _taken);
        var (first, second) = (_feed.Join()!, _feed.Join()!);
        Assert.Equal(1, _taken);
        Assert.True(first.Reader.TryRead(out _) && second.Reader.TryRead(out _));

        _clock.Advance(FleetFeed.Interval);

        Assert.Equal(2, _taken);
        Assert.True(first.Reader.TryRead(out var one));
        Assert.True(second.Reader.TryRead(out var other));
        Assert.Same(one, other);
    }

    [Fact]
    public void Leave_LastListener_StopsSnapshots()
    {
        var (first, second) = (_feed.Join()!, _feed.Join()!);
        _feed.Leave(first);
        _clock.Advance(FleetFeed.Interval);
        Assert.Equal(2, _taken);
        _feed.Leave(second);
        _clock.Advance(FleetFeed.Interval * 10);
        Assert.Equal(2, _taken);
        Assert.NotNull(_feed.Join());
        Assert.Equal(3, _taken);
    }

    [Fact]
    public void Read_SlowListener_OnlyNewestSnapshot()
    {
        var slow = _feed.Join()!;
        _clock.Advance(FleetFeed.Interval);
        _clock.Advance(FleetFeed.Interval);

        Assert.True(slow.Reader.TryRead(out var picture));
        Assert.Contains("\"name\":\"3\"", System.Text.Encoding.UTF8.GetString(picture), StringComparison.Ordinal);
        Assert.False(slow.Reader.TryRead(out _));
    }

    [Fact]
    public void Join_TooMany_Null()
    {
        List<Channel<byte[]>?> all = [.. Enumerable.Range(0, FleetFeed.MaxListeners).Select(_ => _feed.Join())];
        Assert.DoesNotContain(null, all);
        Assert.Null(_feed.Join());
        _feed.Leave(all[0]!);
        Assert.NotNull(_feed.Join());
    }

    [Fact]
    public async Task Stop_Listeners_EndedAndNewOnesRefused()
    {
        var listener = _feed.Join()!;

        await _stop.CancelAsync();

        Assert.True(listener.Reader.TryRead(out var last));
        Assert.Contains("\"stopping\":true", System.Text.Encoding.UTF8.GetString(last), StringComparison.Ordinal);
        Assert.True(listener.Reader.Completion.IsCompletedSuccessfully);
        Assert.Null(_feed.Join());
        Assert.Equal(0, _feed.Listeners);
    }

    [Fact]
    public void Snapshot_Fails_ListenersDisconnectedAndMayRejoin()
    {
        var listener = _feed.Join()!;
        Assert.True(listener.Reader.TryRead(out _));
        _fails = true;

        _clock.Advance(FleetFeed.Interval);

        Assert.True(listener.Reader.Completion.IsCompletedSuccessfully);
        Assert.Equal(0, _feed.Listeners);
        Assert.Throws<InvalidOperationException>(() => _feed.Join());
        _fails = false;
        Assert.NotNull(_feed.Join());
        _clock.Advance(FleetFeed.Interval);
        Assert.Equal(3, _taken);
    }

    private DashboardSnapshot Take()
    {
        if (_fails)
            throw new InvalidOperationException("no snapshot");
        var name = (++_taken).ToString(System.Globalization.CultureInfo.InvariantCulture);
        return new DashboardSnapshot(
            _clock.GetUtcNow(), false, [new DashboardInstance(name, new Uri("http://i"), null, "healthy", false, null, 0, 1, [], null, null, null)], [],
            new DashboardQueue(0, 1, []), new RequestFigures(5, [], [], [], []), []);
    }
}
