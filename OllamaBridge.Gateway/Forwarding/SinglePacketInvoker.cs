using System.Buffers;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Sends a small body in one packet with the request's head, which the forwarder sends first. Two packets wake the instance twice.</summary>
internal sealed class SinglePacketInvoker(HttpMessageInvoker client, ReadOnlySequence<byte> body) : HttpMessageInvoker(Unused, disposeHandler: false)
{
    /// <summary>In bytes: about the space after the head in the write buffer of a <see cref="SocketsHttpHandler"/> connection.</summary>
    public const int Limit = 3 * 1024;

    private static readonly SocketsHttpHandler Unused = new();

    /// <returns><paramref name="client"/> itself if the body is large.</returns>
    public static HttpMessageInvoker For(HttpMessageInvoker client, ReadOnlySequence<byte> body) =>
        body.Length <= Limit ? new SinglePacketInvoker(client, body) : client;

    public override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (request.Content is { } copied)
        {
            // A copy: the response may arrive, and the body return to its pool, before all of it is written.
            var content = new ByteArrayContent(body.ToArray());
            foreach (var (name, values) in copied.Headers.NonValidated)
                content.Headers.TryAddWithoutValidation(name, values);
            request.Content = content;
        }

        return client.SendAsync(request, cancellationToken);
    }
}
