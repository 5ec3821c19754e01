using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Admission;

/// <summary>One writer at a time over the model folder that the instances share.</summary>
/// <remarks>
/// Concurrent <c>create</c> and <c>delete</c> over one folder lose layers, concurrent pulls of one model fail each other
/// (recordings 14 and 15): Ollama locks within one server only.
/// </remarks>
internal sealed class WriterLock(IOptions<ManagementOptions> options, TimeProvider time) : IDisposable
{
    private readonly SemaphoreSlim _semaphore = new(1, 1);

    /// <summary>Waits for the turn.</summary>
    /// <returns>What ends the turn when disposed; null where the wait took too long.</returns>
    /// <exception cref="OperationCanceledException">The client has gone.</exception>
    public async Task<IDisposable?> EnterAsync(CancellationToken cancellationToken)
    {
        if (await _semaphore.WaitAsync(TimeSpan.Zero, cancellationToken))
            return new Turn(_semaphore);
        using var deadline = new CancellationTokenSource(options.Value.MaxWait, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            await _semaphore.WaitAsync(either.Token);
            return new Turn(_semaphore);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _semaphore.Dispose();

    private sealed class Turn(SemaphoreSlim semaphore) : IDisposable
    {
        private int _ended;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _ended, 1) == 0)
                semaphore.Release();
        }
    }
}
