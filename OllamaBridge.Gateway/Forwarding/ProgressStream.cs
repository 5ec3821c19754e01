using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>
/// The progress of a pull, push or create on its way out, line by line. If it breaks off, only whole lines have been sent and the stream
/// just ends: another instance can go on behind them. <see cref="ForwardAttempt.IsCutOff"/> tells.
/// </summary>
internal sealed class ProgressStream(Stream source, HeldBytes held, bool sourceEnded, StreamWatcher watcher, ForwardAttempt attempt, HttpContext context)
    : ForwardOnlyStream
{
    private const int ReadSize = 4 * 1024;
    // A longer line is none of Ollama's; it is passed on in pieces.
    private const int MaxLine = 1024 * 1024;
    private ReadOnlyMemory<byte> _tail;
    private int _passable;
    private bool _ended = sourceEnded;
    private bool _announced;

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            Look();
            if (_passable > 0)
                return buffer.IsEmpty ? 0 : await PassAsync(buffer, cancellationToken);
            if (_ended)
                return End(buffer);
            await ReadSourceAsync(cancellationToken);
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            held.Dispose();
            source.Dispose();
        }

        base.Dispose(disposing);
    }

    private void Look()
    {
        var end = held.Span.LastIndexOf((byte)'\n') + 1;
        _passable = end > 0 ? end : held.Length >= MaxLine ? held.Length : 0;
    }

    private async ValueTask<int> PassAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var taken = held.Take(buffer.Span[..Math.Min(buffer.Length, _passable)]);
        watcher.Observe(buffer.Span[..taken]);
        if (watcher.IsComplete && !_announced)
        {
            _announced = true;
            if (attempt.Call.BeforeCompletion is { } before)
                await before(cancellationToken);
        }

        return taken;
    }

    private async ValueTask ReadSourceAsync(CancellationToken cancellationToken)
    {
        try
        {
            _ended = await held.ReadOnceAsync(source, ReadSize, cancellationToken) == 0;
        }
        catch (Exception e) when (e is IOException or HttpRequestException && !context.RequestAborted.IsCancellationRequested)
        {
            _ended = true;
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            // The forwarder's time-out, or the bridge stops. Its own copying is cancelled with it, so the tail is written past it.
            _ended = true;
            attempt.Truncated = true;
            var reason = attempt.Cause is null ? "the instance stood still" : "the bridge was stopped";
            await context.Response.Body.WriteAsync(
                ProtocolError.StreamTail(StreamEnd.Success, $"{reason}; what was sent so far is not complete"), context.RequestAborted);
        }
    }

    private int End(Memory<byte> buffer)
    {
        // A last line without its end is whole if it says so.
        if (held.Length > 0 && !watcher.IsComplete && !watcher.HasError)
        {
            watcher.Observe(held.Span);
            watcher.Finish();
            if (watcher.IsComplete || watcher.HasError)
                _tail = held.Span.ToArray();
            held.Skip(held.Length);
        }

        if (!watcher.IsComplete && !watcher.HasError && !attempt.Truncated)
            attempt.IsCutOff = true;
        var count = Math.Min(buffer.Length, _tail.Length);
        _tail[..count].CopyTo(buffer);
        _tail = _tail[count..];
        return count;
    }
}
