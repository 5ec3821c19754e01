using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>
/// Stands before a connection's output and can put another answer in the place of the one that Kestrel writes as it rejects a request. Until then it
/// only passes calls on. A feature of the connection.
/// </summary>
internal sealed class RejectionWriter(PipeWriter inner) : PipeWriter
{
    private byte[]? _answer;
    private byte[] _dropped = [];
    private bool _isSent;

    /// <inheritdoc/>
    public override bool CanGetUnflushedBytes => inner.CanGetUnflushedBytes;

    /// <inheritdoc/>
    public override long UnflushedBytes => inner.UnflushedBytes;

    /// <summary>Connection middleware that puts one before each connection's output.</summary>
    public static ConnectionDelegate Middleware(ConnectionDelegate next) => connection =>
    {
        var writer = new RejectionWriter(connection.Transport.Output);
        connection.Transport = new Pipe(connection.Transport.Input, writer);
        connection.Features.Set(writer);
        return next(connection);
    };

    /// <summary>Sends this in the place of whatever else would be written from now on. Called by the connection's own thread of requests.</summary>
    /// <param name="answer">A whole HTTP answer, after which the connection ends.</param>
    public void Replace(byte[] answer) => _answer = answer;

    /// <inheritdoc/>
    public override Memory<byte> GetMemory(int sizeHint = 0) => _answer is null ? inner.GetMemory(sizeHint) : Drop(sizeHint);

    /// <inheritdoc/>
    public override Span<byte> GetSpan(int sizeHint = 0) => _answer is null ? inner.GetSpan(sizeHint) : Drop(sizeHint);

    /// <inheritdoc/>
    public override void Advance(int bytes)
    {
        if (_answer is null)
            inner.Advance(bytes);
    }

    /// <inheritdoc/>
    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        if (_answer is not { } answer || _isSent)
            return inner.FlushAsync(cancellationToken);
        _isSent = true;
        return inner.WriteAsync(answer, cancellationToken);
    }

    /// <inheritdoc/>
    public override void CancelPendingFlush() => inner.CancelPendingFlush();

    /// <inheritdoc/>
    public override void Complete(Exception? exception = null) => inner.Complete(exception);

    /// <inheritdoc/>
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
