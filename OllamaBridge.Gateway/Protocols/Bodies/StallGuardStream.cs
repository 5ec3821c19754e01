using System.Collections.Concurrent;

namespace OllamaBridge.Gateway.Protocols.Bodies;

/// <summary>A client's body. A read fails with a <see cref="BadHttpRequestException"/> (408) if no bytes arrive within <paramref name="limit"/>.</summary>
internal sealed class StallGuardStream(Stream source, TimeSpan limit, TimeProvider time) : ForwardOnlyStream
{
    private const int MaxPooled = 256;
    private static readonly ConcurrentQueue<CancellationTokenSource> Pool = new();

    // One source for all reads: a read that completes in time resets it.
    private CancellationTokenSource? _stall = time == TimeProvider.System && Pool.TryDequeue(out var pooled) ? pooled : new(Timeout.InfiniteTimeSpan, time);

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var stall = _stall ?? throw new ObjectDisposedException(nameof(StallGuardStream));
        stall.CancelAfter(limit);
        using var registration = cancellationToken.CanBeCanceled
            ? cancellationToken.UnsafeRegister(static s => ((CancellationTokenSource)s!).Cancel(), stall)
            : default;
        try
        {
            return await source.ReadAsync(buffer, stall.Token);
        }
        catch (OperationCanceledException) when (stall.IsCancellationRequested)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new BadHttpRequestException("the client stopped sending the request's body", StatusCodes.Status408RequestTimeout);
        }
        finally
        {
            stall.CancelAfter(Timeout.InfiniteTimeSpan);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && Interlocked.Exchange(ref _stall, null) is { } stall)
        {
            if (time == TimeProvider.System && Pool.Count < MaxPooled && stall.TryReset())
                Pool.Enqueue(stall);
            else
                stall.Dispose();
        }

        base.Dispose(disposing);
    }
}
