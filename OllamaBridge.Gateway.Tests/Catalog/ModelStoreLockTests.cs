using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.State;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.Tests.Catalog;

public sealed class ModelStoreLockTests : IDisposable
{
    private static readonly TimeSpan Guard = TestTimeouts.Guard;
    private readonly CountingClock _clock = new();
    private readonly ManagementOptions _options = new();
    private readonly LosableStore _store;
    private readonly ModelStoreLock _lock;

    public ModelStoreLockTests()
    {
        _store = new LosableStore(new MemoryModelStoreLockStore(_clock));
        _lock = Open();
    }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public void Dispose() => _lock.Dispose();

    [Fact]
    public async Task Enter_Several_OneAtATimeInOrder()
    {
        var first = await _lock.EnterAsync(Cancelled);
        Task<IAsyncDisposable?> second = _lock.EnterAsync(Cancelled), third = _lock.EnterAsync(Cancelled);
        Assert.False(second.IsCompleted);
        await first!.DisposeAsync();
        var turn = await second.WaitAsync(Guard, Cancelled);
        Assert.False(third.IsCompleted);
        await turn!.DisposeAsync();
        Assert.NotNull(await third.WaitAsync(Guard, Cancelled));
    }

    [Fact]
    public async Task Enter_TurnEndedTwice_StillOneAtATime()
    {
        var first = await _lock.EnterAsync(Cancelled);
        await first!.DisposeAsync();
        await first.DisposeAsync();
        await using var second = await _lock.EnterAsync(Cancelled);
        Assert.False(_lock.EnterAsync(Cancelled).IsCompleted);
    }

    [Fact]
    public async Task Enter_TooLong_NullAndLockStaysUsable()
    {
        var first = await _lock.EnterAsync(Cancelled);
        var second = _lock.EnterAsync(Cancelled);
        _clock.Advance(_options.MaxWait - TimeSpan.FromSeconds(1));
        Assert.False(second.IsCompleted);
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(await second.WaitAsync(Guard, Cancelled));
        await first!.DisposeAsync();
        Assert.NotNull(await _lock.EnterAsync(Cancelled).WaitAsync(Guard, Cancelled));
    }

    [Fact]
    public async Task Enter_ClientDisconnects_ThrowsAndNextEnters()
    {
        var first = await _lock.EnterAsync(Cancelled);
        using var gone = new CancellationTokenSource();
        Task<IAsyncDisposable?> second = _lock.EnterAsync(gone.Token), third = _lock.EnterAsync(Cancelled);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second.WaitAsync(Guard, Cancelled));
        await first!.DisposeAsync();
        Assert.NotNull(await third.WaitAsync(Guard, Cancelled));
    }

    [Fact]
    public async Task Enter_ClientAlreadyDisconnected_Throws()
    {
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _lock.EnterAsync(new CancellationToken(true)));
        await using var turn = await _lock.EnterAsync(Cancelled);
        Assert.NotNull(turn);
    }

    [Fact]
    public async Task Enter_AnotherGatewayWrites_WaitsForItsEnd()
    {
        using var other = Open();
        var first = await other.EnterAsync(Cancelled);
        for (var n = 0; n < 30; n++)
            await StepAsync(TimeSpan.FromSeconds(2), null); // much longer than the lock's lifetime: the lock is renewed
        var second = _lock.EnterAsync(Cancelled);
        Assert.False(second.IsCompleted);
        await first!.DisposeAsync();
        await using var turn = await UntilAsync(second);
        Assert.NotNull(turn);
        Assert.Equal(ModelStoreClaim.HeldElsewhere, await _store.HoldAsync("x", TimeSpan.FromSeconds(1), Cancelled));
    }

    [Fact]
    public async Task Enter_AnotherGatewayDied_EntersWithinTenSeconds()
    {
        using var other = Open();
        var first = await other.EnterAsync(Cancelled);
        await StepAsync(TimeSpan.FromSeconds(2), null);
        _store.IsLost = true; // only for the first gateway, which can no longer renew
        var begun = _clock.GetUtcNow();
        using var mine = new ModelStoreLock(Options.Create(_options), _store.Inner, _clock, NullLogger<ModelStoreLock>.Instance);
        await using var turn = await UntilAsync(mine.EnterAsync(Cancelled));
        Assert.NotNull(turn);
        Assert.InRange(_clock.GetUtcNow() - begun, TimeSpan.FromSeconds(9), TimeSpan.FromSeconds(14));
        await first!.DisposeAsync();
    }

    [Fact]
    public async Task Enter_AnotherGatewayWritesTooLong_NullAndNothingHeld()
    {
        await _store.HoldAsync("x", TimeSpan.FromDays(1), Cancelled);
        var begun = _clock.GetUtcNow();
        Assert.Null(await UntilAsync(_lock.EnterAsync(Cancelled)));
        Assert.InRange(_clock.GetUtcNow() - begun, _options.MaxWait, _options.MaxWait + TimeSpan.FromSeconds(1));
        await _store.ReleaseAsync("x", Cancelled);
        await using var turn = await _lock.EnterAsync(Cancelled).WaitAsync(Guard, Cancelled);
        Assert.NotNull(turn);
    }

    [Fact]
    public async Task Enter_ClientDisconnectsWhileAnotherGatewayWrites_ThrowsAndNextEnters()
    {
        await _store.HoldAsync("x", TimeSpan.FromDays(1), Cancelled);
        using var gone = new CancellationTokenSource();
        var first = _lock.EnterAsync(gone.Token);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.WaitAsync(Guard, Cancelled));
        await _store.ReleaseAsync("x", Cancelled);
        await using var turn = await _lock.EnterAsync(Cancelled).WaitAsync(Guard, Cancelled);
        Assert.NotNull(turn);
    }

    [Fact]
    public async Task Enter_StoreUnreachable_LocalLockHolds()
    {
        _store.IsLost = true;
        var first = await _lock.EnterAsync(Cancelled);
        Assert.NotNull(first);
        var second = _lock.EnterAsync(Cancelled);
        Assert.False(second.IsCompleted);
        await first.DisposeAsync();
        Assert.NotNull(await second.WaitAsync(Guard, Cancelled));
    }

    [Fact]
    public async Task Enter_StoreReturnsMeanwhile_LockHeldFromThenOn()
    {
        _store.IsLost = true;
        await using var first = await _lock.EnterAsync(Cancelled);
        _store.IsLost = false;
        Assert.Equal(ModelStoreClaim.Held, await _store.HoldAsync("x", TimeSpan.FromSeconds(1), Cancelled));
        await _store.ReleaseAsync("x", Cancelled);
        await StepAsync(TimeSpan.FromSeconds(2), null);
        Assert.Equal(ModelStoreClaim.HeldElsewhere, await _store.HoldAsync("x", TimeSpan.FromSeconds(1), Cancelled));
    }

    [Fact]
    public async Task Enter_AnotherGatewayStartsMeanwhile_RunningWriteContinues()
    {
        _store.IsLost = true;
        var first = await _lock.EnterAsync(Cancelled);
        _store.IsLost = false;
        await _store.HoldAsync("x", TimeSpan.FromDays(1), Cancelled);
        _clock.Advance(TimeSpan.FromSeconds(2));
        await Poll.UntilAsync(() => _store.Refused > 0);
        await first!.DisposeAsync(); // and does not release the other gateway's lock
        Assert.Equal(ModelStoreClaim.HeldElsewhere, await _store.HoldAsync("y", TimeSpan.FromSeconds(1), Cancelled));
    }

    private ModelStoreLock Open() => new(Options.Create(_options), _store, _clock, NullLogger<ModelStoreLock>.Instance);

    /// <summary>Advances the clock and waits until the waiting operation has either started its next wait or ended.</summary>
    private async Task StepAsync(TimeSpan time, Task? ends)
    {
        var timers = _clock.Timers;
        _clock.Advance(time);
        await Poll.UntilAsync(() => _clock.Timers > timers || ends is { IsCompleted: true });
    }

    private async Task<IAsyncDisposable?> UntilAsync(Task<IAsyncDisposable?> entered)
    {
        for (var n = 0; n < 10_000 && !entered.IsCompleted; n++)
            await StepAsync(TimeSpan.FromMilliseconds(500), entered);
        return await entered.WaitAsync(Guard, Cancelled);
    }

    /// <summary>A clock that counts the timers.</summary>
    private sealed class CountingClock : FakeTimeProvider
    {
        private int _timers;

        public int Timers => Volatile.Read(ref _timers);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, dueTime, period);
            Interlocked.Increment(ref _timers);
            return timer;
        }
    }

    /// <summary>A store that can be made unreachable.</summary>
    private sealed class LosableStore(IModelStoreLockStore inner) : IModelStoreLockStore
    {
        private int _refused;

        public bool IsLost { get; set; }

        public IModelStoreLockStore Inner => inner;

        public int Refused => Volatile.Read(ref _refused);

        public async ValueTask<ModelStoreClaim> HoldAsync(string writer, TimeSpan lifetime, CancellationToken cancellationToken)
        {
            var claim = IsLost ? ModelStoreClaim.Unknown : await inner.HoldAsync(writer, lifetime, cancellationToken);
            if (claim == ModelStoreClaim.HeldElsewhere)
                Interlocked.Increment(ref _refused);
            return claim;
        }

        public ValueTask ReleaseAsync(string writer, CancellationToken cancellationToken) =>
            IsLost ? ValueTask.CompletedTask : inner.ReleaseAsync(writer, cancellationToken);
    }
}
