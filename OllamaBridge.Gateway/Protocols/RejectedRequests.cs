using System.Diagnostics;
using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Sends errors in the caller's protocol for requests that Kestrel rejects before any middleware runs, with an empty body.</summary>
internal sealed class RejectedRequests(DiagnosticListener diagnostics, IOptions<LimitOptions> limits, TimeProvider time)
    : IHostedService, IObserver<KeyValuePair<string, object?>>, IDisposable
{
    private const string Event = "Microsoft.AspNetCore.Server.Kestrel.BadRequest";

    private LimitOptions Limits => limits.Value;
    private IDisposable? _subscription;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _subscription = diagnostics.Subscribe(this, static name => name == Event);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _subscription?.Dispose();

    public void OnCompleted()
    {
    }

    public void OnError(Exception error)
    {
    }

    public void OnNext(KeyValuePair<string, object?> value)
    {
        // Below TLS a response can't be replaced, so Kestrel's own, without a message, is sent.
        if (value is { Key: Event, Value: IFeatureCollection features }
            && features.Get<IBadRequestExceptionFeature>()?.Error is BadHttpRequestException error
            && features.Get<RejectionWriter>() is { } writer && features.Get<ITlsConnectionFeature>() is null
            && features.Get<IHttpResponseFeature>() is { HasStarted: false })
        {
            var request = features.Get<IHttpRequestFeature>();
            // Kestrel requires a tunnel's target also as Host; a request without one gets the same response.
            if (request?.Method == HttpMethods.Connect)
                writer.Replace(Answer(StatusCodes.Status405MethodNotAllowed, "text/plain", RouterResponse.NotAllowed));
            else if (Word(error.StatusCode) is { } message)
                writer.Replace(Answer(
                    error.StatusCode, "application/json", ProtocolError.Body(OperationTable.ProtocolOf(request?.Path ?? ""), error.StatusCode, message).Span));
        }
    }

    private string? Word(int status) => status switch
    {
        StatusCodes.Status431RequestHeaderFieldsTooLarge =>
            $"the request's header fields are too large: at most {Limits.MaxHeaderBytes} bytes (Bridge:Limits:MaxHeaderBytes)"
            + $" in {Limits.MaxHeaderFields} fields (Bridge:Limits:MaxHeaderFields) are accepted",
        StatusCodes.Status414UriTooLong => "the request line is too long",
        _ => null,
    };

    private byte[] Answer(int status, string type, ReadOnlySpan<byte> body)
    {
        var head = string.Create(
            CultureInfo.InvariantCulture,
            $"HTTP/1.1 {status} {ReasonPhrases.GetReasonPhrase(status)}\r\nContent-Length: {body.Length}\r\nConnection: close\r\nContent-Type: {type}\r\nDate: {time.GetWallClock():r}\r\n\r\n");
        return [.. Encoding.ASCII.GetBytes(head), .. body];
    }
}
