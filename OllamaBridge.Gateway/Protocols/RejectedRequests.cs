using System.Diagnostics;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Identity;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>
/// Words the refusals of requests that Kestrel rejects while it parses them, before any middleware runs. Kestrel itself answers with a status and an
/// empty body; this writes an error in the caller's protocol that names the limit. It hears of a rejection through Kestrel's diagnostic event.
/// </summary>
internal sealed class RejectedRequests(DiagnosticListener diagnostics, IOptions<LimitOptions> limits)
    : IHostedService, IObserver<KeyValuePair<string, object?>>, IDisposable
{
    private const string Event = "Microsoft.AspNetCore.Server.Kestrel.BadRequest";
    private readonly LimitOptions _limits = limits.Value;
    private IDisposable? _subscription;

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        _subscription = diagnostics.Subscribe(this, static name => name == Event);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public void Dispose() => _subscription?.Dispose();

    /// <inheritdoc/>
    public void OnCompleted()
    {
    }

    /// <inheritdoc/>
    public void OnError(Exception error)
    {
    }

    /// <inheritdoc/>
    public void OnNext(KeyValuePair<string, object?> value)
    {
        if (value is { Key: Event, Value: IFeatureCollection features }
            && features.Get<IBadRequestExceptionFeature>()?.Error is BadHttpRequestException error
            && features.Get<IHttpResponseFeature>() is { HasStarted: false } response
            && features.Get<IHttpResponseBodyFeature>() is { } body
            && Word(error.StatusCode) is { } message)
            Write(response, body, OperationTable.ProtocolOf(features.Get<IHttpRequestFeature>()?.Path ?? ""), error.StatusCode, message);
    }

    /// <summary>The message for a rejection; null to leave Kestrel's empty answer.</summary>
    private string? Word(int status) => status switch
    {
        StatusCodes.Status431RequestHeaderFieldsTooLarge =>
            $"the request's header fields are too large: at most {_limits.MaxHeaderBytes} bytes (Bridge:Limits:MaxHeaderBytes)"
            + $" in {_limits.MaxHeaderFields} fields (Bridge:Limits:MaxHeaderFields) are accepted",
        StatusCodes.Status414UriTooLong => "the request line is too long",
        _ => null,
    };

    private static void Write(IHttpResponseFeature response, IHttpResponseBodyFeature body, Protocol protocol, int status, string message)
    {
        var bytes = ProtocolError.Body(protocol, status, message);
        response.StatusCode = status;
        response.Headers.ContentType = "application/json";
        response.Headers.ContentLength = bytes.Length;
        response.Headers.Connection = "close";
        var buffer = body.Writer.GetMemory(bytes.Length);
        bytes.CopyTo(buffer);
        body.Writer.Advance(bytes.Length);
        // Completes without waiting: it is far less than the connection's buffer. Kestrel sends it as it closes the connection.
        var flush = body.Writer.FlushAsync();
        _ = flush.IsCompleted ? flush.GetAwaiter().GetResult() : default;
    }
}
