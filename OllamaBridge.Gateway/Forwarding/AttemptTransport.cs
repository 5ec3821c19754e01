using System.Buffers;
using Microsoft.Net.Http.Headers;
using OllamaBridge.Gateway.Protocols;
using Yarp.ReverseProxy.Forwarder;

namespace OllamaBridge.Gateway.Forwarding;

internal sealed class AttemptTransport(
    IHttpForwarder forwarder, HttpMessageInvoker client, FreshConnectionClient freshClient, ResponseTransformer transformer, ForwardTimeouts timeouts)
{
    /// <summary>The attempt is a feature of <paramref name="context"/>.</summary>
    public ValueTask<ForwarderError> SendAsync(HttpContext context, ForwardAttempt attempt, bool isFresh, CancellationToken cancellationToken)
    {
        HttpMessageInvoker invoker = isFresh ? freshClient : client;
        if (attempt.Plan is { } plan)
            invoker = SetBody(context.Request, new ReadOnlySequence<byte>(plan.Body), attempt.Call.Body, isEncoded: false, invoker);
        else if (attempt.Call.Body is { } body)
            invoker = SetBody(context.Request, body, invoker);
        return forwarder.SendAsync(
            context, attempt.Lease.Instance.Prefix, invoker, timeouts.For(attempt.Call, attempt.Lease), transformer, cancellationToken);
    }

    private static HttpMessageInvoker SetBody(HttpRequest request, ReplayableBody body, HttpMessageInvoker invoker)
    {
        var outgoing = body.Outgoing;
        if (outgoing.IsInMemory)
            return SetBody(request, outgoing.Bytes, body, body.IsEncoded, invoker);
        SetEncoding(request.Headers, body, body.IsEncoded);
        request.Headers.Remove("Transfer-Encoding");
        request.Body = outgoing.OpenRead();
        request.ContentLength = outgoing.Length;
        return invoker;
    }

    private static HttpMessageInvoker SetBody(HttpRequest request, in ReadOnlySequence<byte> bytes, ReplayableBody? received, bool isEncoded, HttpMessageInvoker invoker)
    {
        SetEncoding(request.Headers, received, isEncoded);
        request.Headers.Remove("Transfer-Encoding");
        request.Body = new SequenceStream(bytes);
        request.ContentLength = bytes.Length;
        return SinglePacketInvoker.For(invoker, bytes);
    }

    private static void SetEncoding(IHeaderDictionary headers, ReplayableBody? received, bool isEncoded)
    {
        if (received is not { WasEncoded: true } body)
            return;
        if (!isEncoded)
            headers.Remove(HeaderNames.ContentEncoding);
        else if (headers.ContentEncoding.Count == 0)
            headers.ContentEncoding = body.ContentEncoding;
    }
}
