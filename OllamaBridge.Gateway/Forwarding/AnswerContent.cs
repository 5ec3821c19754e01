using System.Net;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>An instance's answer as the forwarder reads it: through a stream of ours.</summary>
internal sealed class AnswerContent(HttpContent original, Stream stream) : HttpContent
{
    /// <inheritdoc/>
    protected override Task<Stream> CreateContentReadStreamAsync() => Task.FromResult(stream);

    /// <inheritdoc/>
    protected override Task<Stream> CreateContentReadStreamAsync(CancellationToken cancellationToken) => Task.FromResult(stream);

    /// <inheritdoc/>
    protected override Task SerializeToStreamAsync(Stream target, TransportContext? context) => stream.CopyToAsync(target);

    /// <inheritdoc/>
    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            stream.Dispose();
            original.Dispose();
        }

        base.Dispose(disposing);
    }
}
