using System.Runtime.CompilerServices;
using System.Text;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Resumption;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Passes a response on. A stream that breaks off ends with an error in the client's protocol, so that no partial response seems complete.</summary>
internal sealed class RelayStream(Stream source, BufferedBytes held, bool sourceEnded, ForwardAttempt attempt, HttpContext context) : ForwardOnlyStream
{
    private ReadOnlyMemory<byte> _tail;
    private bool _ended = sourceEnded;
    private bool _announced;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (held.Length > 0)
        {
            // A read with an empty buffer only tests whether bytes are available.
            if (buffer.IsEmpty)
                return 0;
            var taken = held.Take(buffer.Span);
            await PassAsync(buffer[..taken], cancellationToken);
            return taken;
        }

        if (!_ended)
        {
            var read = await ReadSourceAsync(buffer, cancellationToken);
            if (read > 0)
                await PassAsync(buffer[..read], cancellationToken);
            if (read > 0 || (buffer.IsEmpty && !_ended))
                return read;
        }

        var count = Math.Min(buffer.Length, _tail.Length);
        _tail[..count].CopyTo(buffer);
        _tail = _tail[count..];
        return count;
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

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> ReadSourceAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        attempt.Timeline.BeginRead();
        try
        {
            var read = await source.ReadAsync(buffer, cancellationToken);
            if (read > 0)
                attempt.Timeline.AddBytes();
            if (read == 0 && !buffer.IsEmpty)
                End("the instance ended its response too early");
            return read;
        }
        catch (Exception e) when (e is IOException or HttpRequestException
            && attempt.Watcher is not null && !context.RequestAborted.IsCancellationRequested)
        {
            End("the instance's response broke off");
            return 0;
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested && attempt.Watcher is not null)
        {
            // The forwarder timed out. Its copying is cancelled, too, so the tail is written directly.
            End(attempt.Cause == Interruption.Stopped ? "the bridge stopped during the response" : "the instance stalled during its response");
            await context.Response.Body.WriteAsync(_tail, context.RequestAborted);
            _tail = default;
            return 0;
        }
        finally
        {
            attempt.Timeline.EndRead();
        }
    }

    private void End(string reason)
    {
        _ended = true;
        var watcher = attempt.Watcher;
        if (watcher is null)
            return;
        // A partial message stays partial. The separator keeps the error from becoming part of it.
        var separator = watcher.Separator;
        watcher.Finish();
        if (watcher.IsComplete || watcher.HasError)
            return;
        attempt.Result.IsTruncated = true;
        var error = ProtocolError.StreamTail(attempt.Call.Operation.End, $"{reason}; the response so far is incomplete");
        _tail = (byte[])[.. Encoding.ASCII.GetBytes(separator), .. error.Span];
    }

    private async ValueTask PassAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        if (attempt.Watcher is not { } watcher)
            return;
        watcher.Observe(bytes.Span);
        if (!watcher.IsComplete || _announced)
            return;
        _announced = true;
        if (attempt.Call.Target.BeforeCompletion is { } before)
            await before(cancellationToken);
    }
}
