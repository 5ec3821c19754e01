using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Wraps a connection's output, and can replace the response that Kestrel writes when it rejects a request. A feature of the connection.</summary>
internal sealed class RejectionWriter(PipeWriter inner) : PipeWriter
{
    private byte[]? _answer;
    private byte[] _dropped = [];
    private bool _isSent;

    public override bool CanGetUnflushedBytes => inner.CanGetUnflushedBytes;

    public override long UnflushedBytes => inner.UnflushedBytes;

    public static ConnectionDelegate Middleware(ConnectionDelegate next) => connection =>
    {
        var writer = new RejectionWriter(connection.Transport.Output);
        connection.Transport = new Pipe(connection.Transport.Input, writer);
        connection.Features.Set(writer);
        return next(connection);
    };

    /// <summary>Sends <paramref name="answer"/>, a complete HTTP response, instead of everything that is written from now on. Must be called from the
    /// connection's request loop.</summary>
    public void Replace(byte[] answer) => _answer = answer;

    public override Memory<byte> GetMemory(int sizeHint = 0) => _answer is null ? inner.GetMemory(sizeHint) : Drop(sizeHint);

    public override Span<byte> GetSpan(int sizeHint = 0) => _answer is null ? inner.GetSpan(sizeHint) : Drop(sizeHint);

    public override void Advance(int bytes)
    {
        if (_answer is null)
            inner.Advance(bytes);
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        if (_answer is not { } answer || _isSent)
            return inner.FlushAsync(cancellationToken);
        _isSent = true;
        return inner.WriteAsync(answer, cancellationToken);
    }

    public override void CancelPendingFlush() => inner.CancelPendingFlush();

    public override void Complete(Exception? exception = null) => inner.Complete(exception);

    public override ValueTask CompleteAsync(Exception? exception = null) => inner.CompleteAsync(exception);

    private byte[] Drop(int sizeHint)
    {
        if (_dropped.Length < Math.Max(sizeHint, 1))
            _dropped = new byte[Math.Max(sizeHint, 4096)];
        return _dropped;
    }

    private sealed class Pipe(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input => input;

        public PipeWriter Output => output;
    }
}
