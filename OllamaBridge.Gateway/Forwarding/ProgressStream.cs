using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Passes on complete lines. A stream that breaks off ends without an error, so that another instance can continue.</summary>
internal sealed class ProgressStream(Stream source, BufferedBytes held, bool sourceEnded, StreamWatcher watcher, ForwardAttempt attempt, HttpContext context)
    : ForwardOnlyStream
{
    private const int ReadSize = 4 * 1024;
    // Ollama sends no longer line. Longer lines are passed on in parts.
    private const int MaxLine = 1024 * 1024;
    private ReadOnlyMemory<byte> _tail;
    private int _passable;
    private bool _ended = sourceEnded;
    private bool _announced;

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
            if (attempt.Call.Target.BeforeCompletion is { } before)
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
            // The forwarder timed out or the bridge stops. The forwarder's copying is cancelled, too, so the tail is written directly.
            _ended = true;
            attempt.Result.IsTruncated = true;
            var reason = attempt.Cause is null ? "the instance stalled" : "the bridge stopped";
            await context.Response.Body.WriteAsync(
                ProtocolError.StreamTail(StreamEnd.Success, $"{reason}; the response so far is incomplete"), context.RequestAborted);
        }
    }

    private int End(Memory<byte> buffer)
    {
        // A last line without a line end is complete if it contains the terminal marker or an error.
        if (held.Length > 0 && !watcher.IsComplete && !watcher.HasError)
        {
            watcher.Observe(held.Span);
            watcher.Finish();
            if (watcher.IsComplete || watcher.HasError)
                _tail = held.Span.ToArray();
            held.Skip(held.Length);
        }

        if (!watcher.IsComplete && !watcher.HasError && !attempt.Result.IsTruncated)
            attempt.Result.IsCutOff = true;
        var count = Math.Min(buffer.Length, _tail.Length);
        _tail[..count].CopyTo(buffer);
        _tail = _tail[count..];
        return count;
    }
}
