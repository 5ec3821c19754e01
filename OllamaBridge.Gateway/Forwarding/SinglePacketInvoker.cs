using System.Buffers;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>
/// Sends a small body that is in memory in one packet with the request's head. The forwarder sends the head first, since it cannot know when the body
/// follows: that makes two packets, and wakes the instance twice for each request.
/// </summary>
internal sealed class SinglePacketInvoker(HttpMessageInvoker client, ReadOnlySequence<byte> body) : HttpMessageInvoker(Unused, disposeHandler: false)
{
    /// <summary>
    /// The largest body in bytes that is sent in this way: about the space after the head in the write buffer of a connection of
    /// <see cref="SocketsHttpHandler"/>.
    /// </summary>
    public const int Limit = 3 * 1024;

    private static readonly SocketsHttpHandler Unused = new();

    /// <summary>Returns an invoker for a request with <paramref name="body"/>: <paramref name="client"/> itself if the body is large.</summary>
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
