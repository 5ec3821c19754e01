using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Admission;

namespace OllamaBridge.Gateway.Tests.Admission;

public sealed class WriterLockTests : IDisposable
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(20);
    private readonly FakeTimeProvider _clock = new();
    private readonly ManagementOptions _options = new();
    private readonly WriterLock _lock;

    public WriterLockTests() => _lock = new WriterLock(Options.Create(_options), _clock);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public void Dispose() => _lock.Dispose();

    [Fact]
    public async Task Enter_OneAfterTheOtherInOrder()
    {
        var first = await _lock.EnterAsync(Cancelled);
        Task<IDisposable?> second = _lock.EnterAsync(Cancelled), third = _lock.EnterAsync(Cancelled);
        Assert.False(second.IsCompleted);
        first!.Dispose();
        var turn = await second.WaitAsync(Guard, Cancelled);
        Assert.False(third.IsCompleted);
        turn!.Dispose();
        Assert.NotNull(await third.WaitAsync(Guard, Cancelled));
    }

    [Fact]
    public async Task Enter_TurnEndedTwice_StillOneAtATime()
    {
        var first = await _lock.EnterAsync(Cancelled);
        first!.Dispose();
        first.Dispose();
        using var second = await _lock.EnterAsync(Cancelled);
        Assert.False(_lock.EnterAsync(Cancelled).IsCompleted);
    }

    [Fact]
    public async Task Enter_TooLong_NullAndTheLockStaysGood()
    {
        var first = await _lock.EnterAsync(Cancelled);
        var second = _lock.EnterAsync(Cancelled);
        _clock.Advance(_options.MaxWait - TimeSpan.FromSeconds(1));
        Assert.False(second.IsCompleted);
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(await second.WaitAsync(Guard, Cancelled));
        first!.Dispose();
        Assert.NotNull(await _lock.EnterAsync(Cancelled).WaitAsync(Guard, Cancelled));
    }

    [Fact]
    public async Task Enter_ClientGone_ThrowsAndTheTurnGoesToTheNext()
    {
        var first = await _lock.EnterAsync(Cancelled);
        using var gone = new CancellationTokenSource();
        Task<IDisposable?> second = _lock.EnterAsync(gone.Token), third = _lock.EnterAsync(Cancelled);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second.WaitAsync(Guard, Cancelled));
        first!.Dispose();
        Assert.NotNull(await third.WaitAsync(Guard, Cancelled));
    }

    [Fact]
    public async Task Enter_ClientGoneBefore_Throws()
    {
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _lock.EnterAsync(new CancellationToken(true)));
        using var turn = await _lock.EnterAsync(Cancelled);
        Assert.NotNull(turn);
    }
}
