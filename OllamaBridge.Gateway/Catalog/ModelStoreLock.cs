using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Catalog;

/// <summary>Lets one request at a time change the shared model store, within this gateway and among all gateways that share the state.</summary>
/// <remarks>
/// Concurrent <c>create</c> and <c>delete</c> requests on one model store lose layers, and concurrent pulls of one model make each other fail
/// (recordings 14 and 15), because Ollama locks within one server only.
/// </remarks>
internal sealed class ModelStoreLock : IDisposable
{
    // The longest delay for other gateways if a gateway crashes during a change.
    private static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RenewEvery = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan FirstLook = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestLook = TimeSpan.FromMilliseconds(500);
    private readonly SemaphoreSlim _semaphore = new(1, 1);
    private readonly IOptions<ManagementOptions> _options;
    private readonly IModelStoreLockStore _store;
    private readonly TimeProvider _time;
    private readonly ILogger<ModelStoreLock> _logger;

    public ModelStoreLock(IOptions<ManagementOptions> options, IModelStoreLockStore store, TimeProvider time, ILogger<ModelStoreLock> logger) =>
        (_options, _store, _time, _logger) = (options, store, time, logger);

    /// <summary>Waits for the lock, in this gateway, then among the gateways; null after <see cref="ManagementOptions.MaxWait"/>.</summary>
    public async Task<IAsyncDisposable?> EnterAsync(CancellationToken cancellationToken)
    {
        using var timeout = new LinkedTimeout(_options.Value.MaxWait, _time, cancellationToken);
        try
        {
            await _semaphore.WaitAsync(timeout.Token);
            return await EnterSharedAsync(timeout.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    public void Dispose() => _semaphore.Dispose();

    private async Task<Turn> EnterSharedAsync(CancellationToken cancellationToken)
    {
        var turn = new Turn(this);
        try
        {
            // If the shared state is unreachable, this gateway's own lock must suffice.
            for (var wait = FirstLook; await _store.HoldAsync(turn.Writer, Lifetime, cancellationToken) == ModelStoreClaim.HeldElsewhere;)
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

    private sealed class Turn(ModelStoreLock owner) : IAsyncDisposable
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
                    if (await owner._store.HoldAsync(Writer, Lifetime, _end.Token) != ModelStoreClaim.HeldElsewhere)
                        continue;
                    // This process was paused for too long, or the shared state was unavailable. The change continues: two concurrent changes do less harm than
                    // half a change.
                    ModelStoreLog.TwoWriters(owner._logger);
                    return;
                }
            }
            catch (OperationCanceledException) when (_end.IsCancellationRequested)
            {
                // The lock is released.
            }
        }
    }
}

/// <summary>Log messages of the writer lock: event ids 1510–1519, a part of admission's range.</summary>
internal static partial class ModelStoreLog
{
    [LoggerMessage(EventIds.ModelStore.TwoWriters, LogLevel.Warning,
        "Two gateways changed the model store at the same time; if a layer is missing, pull or create the model again")]
    public static partial void TwoWriters(ILogger logger);
}
