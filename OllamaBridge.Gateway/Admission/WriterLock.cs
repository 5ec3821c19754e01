using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Admission;

/// <summary>One writer at a time over the model folder that the instances share: in this gateway, and of all that share the state.</summary>
/// <remarks>
/// Concurrent <c>create</c> and <c>delete</c> over one folder lose layers, concurrent pulls of one model fail each other
/// (recordings 14 and 15): Ollama locks within one server only.
/// </remarks>
internal sealed class WriterLock : IDisposable
{
    // A gateway that dies in the middle of a change holds up the others for so long.
    private static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RenewEvery = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan FirstLook = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestLook = TimeSpan.FromMilliseconds(500);
    private readonly SemaphoreSlim _semaphore = new(1, 1);
    private readonly IOptions<ManagementOptions> _options;
    private readonly IWriterStore _store;
    private readonly TimeProvider _time;
    private readonly ILogger<WriterLock> _logger;

    public WriterLock(IOptions<ManagementOptions> options, IWriterStore store, TimeProvider time, ILogger<WriterLock> logger) =>
        (_options, _store, _time, _logger) = (options, store, time, logger);

    /// <summary>Waits for the turn: in this gateway, then among the gateways.</summary>
    /// <returns>What ends the turn when disposed; null where the wait took too long.</returns>
    /// <exception cref="OperationCanceledException">The client has gone.</exception>
    public async Task<IAsyncDisposable?> EnterAsync(CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(_options.Value.MaxWait, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            await _semaphore.WaitAsync(either.Token);
            return await EnterSharedAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _semaphore.Dispose();

    private async Task<Turn> EnterSharedAsync(CancellationToken cancellationToken)
    {
        var turn = new Turn(this);
        try
        {
            // Where nobody answers, the gateway's own lock has to do.
            for (var wait = FirstLook; await _store.HoldAsync(turn.Writer, Lifetime, cancellationToken) == WriterClaim.HeldElsewhere;)
            {
                await Task.Delay(wait, _time, cancellationToken);
                wait = 2 * wait < LongestLook ? 2 * wait : LongestLook;
            }

            cancellationToken.ThrowIfCancellationRequested();
            turn.Begin();
            return turn;
        }
        catch
        {
            await turn.DisposeAsync();
            throw;
        }
    }

    private sealed class Turn(WriterLock owner) : IAsyncDisposable
    {
        private readonly CancellationTokenSource _end = new();
        private Task _renewing = Task.CompletedTask;
        private int _ended;

        public string Writer { get; } = Guid.NewGuid().ToString("N");

        public void Begin() => _renewing = RenewAsync();

        public async ValueTask DisposeAsync()
        {
            if (Interlocked.Exchange(ref _ended, 1) != 0)
                return;
            try
            {
                await _end.CancelAsync();
                await _renewing;
                await owner._store.ReleaseAsync(Writer, CancellationToken.None);
            }
            finally
            {
                owner._semaphore.Release();
                _end.Dispose();
            }
        }

        private async Task RenewAsync()
        {
            try
            {
                while (true)
                {
                    await Task.Delay(RenewEvery, owner._time, _end.Token);
                    if (await owner._store.HoldAsync(Writer, Lifetime, _end.Token) != WriterClaim.HeldElsewhere)
                        continue;
                    // It stood still for too long, or the state was away. What was begun is not broken off: half a change is worse than two.
                    WriterLog.TwoWriters(owner._logger);
                    return;
                }
            }
            catch (OperationCanceledException) when (_end.IsCancellationRequested)
            {
                // The turn ends.
            }
        }
    }
}

/// <summary>What the writers' lock says in the log. Event ids 1510–1519, of admission's hundred.</summary>
internal static partial class WriterLog
{
    [LoggerMessage(1510, LogLevel.Warning,
        "Another gateway began to change the models while this one still does: a layer may be missing afterwards, pull or create again where one is")]
    public static partial void TwoWriters(ILogger logger);
}
