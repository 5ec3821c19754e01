using System.Buffers;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>
/// Sends a small body, which is in memory, in one piece with the request's head. The forwarder sends the head first, since it cannot know when the body
/// comes: that is two packets, and two times that the instance is woken for each request.
/// </summary>
/// <param name="client">Who sends.</param>
/// <param name="body">The body.</param>
internal sealed class HeldBodyClient(HttpMessageInvoker client, ReadOnlySequence<byte> body) : HttpMessageInvoker(Unused, disposeHandler: false)
{
    /// <summary>Bytes up to which a body is sent so: about what fits behind the head in the buffer that a connection of <see cref="SocketsHttpHandler"/> has for writing.</summary>
    public const int Limit = 3 * 1024;

    private static readonly SocketsHttpHandler Unused = new();

    /// <summary>Whoever is to send a request with such a body.</summary>
    /// <param name="client">Who sends.</param>
    /// <param name="body">The body.</param>
    public static HttpMessageInvoker For(HttpMessageInvoker client, ReadOnlySequence<byte> body) =>
        body.Length <= Limit ? new HeldBodyClient(client, body) : client;

    /// <inheritdoc/>
    public override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (request.Content is { } copied)
        {
            // A copy: the answer may come, and the body go back to its pool, before all of it is written.
            var content = new ByteArrayContent(body.ToArray());
            foreach (var (name, values) in copied.Headers.NonValidated)
                content.Headers.TryAddWithoutValidation(name, values);
            request.Content = content;
        }

        return client.SendAsync(request, cancellationToken);
    }
}
