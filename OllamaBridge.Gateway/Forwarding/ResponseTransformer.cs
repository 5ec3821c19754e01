using System.Diagnostics;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Telemetry;
using Yarp.ReverseProxy.Forwarder;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Changes the headers of requests and responses, and opens each response before the client receives any of it.</summary>
internal sealed class ResponseTransformer(IOptions<ForwardingOptions> options, ResponseOpener opener, PlacementOutcomes outcomes, TimeProvider time) : HttpTransformer
{
    public const string InstanceHeader = "X-Bridge-Instance";

    public const string ModelHeader = "X-Bridge-Model";

    public override async ValueTask TransformRequestAsync(
        HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
    {
        await base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken);
        var connection = httpContext.Request.Headers.Connection;
        HeaderHygiene.Clean(proxyRequest.Headers, options.Value.PassAuthorization, connection);
        if (proxyRequest.Content is { } content)
            HeaderHygiene.Clean(content.Headers, connection);
        var attempt = httpContext.Features.Get<ForwardAttempt>()!;
        proxyRequest.Headers.TryAddWithoutValidation("Accept-Encoding", "identity");
        attempt.Lease.Instance.Authorize(proxyRequest);
        TraceHeaders.Write(proxyRequest.Headers, attempt.Span ?? Activity.Current);
        if (attempt.Lease.Instance.IsPeer)
            PeerHeaders.Complete(proxyRequest.Headers, attempt);
        // An upload waits for the instance's 100 Continue: an instance that has the blob already would close the connection during the upload. A body
        // in memory is sent at once.
        if (attempt.Plan is { } plan)
            proxyRequest.RequestUri = new Uri(destinationPrefix + plan.Path);
        var operation = attempt.Call.Operation;
        proxyRequest.Headers.ExpectContinue = operation.UnbufferedBody && proxyRequest.Content is not null ? true : null;
    }

    public override ValueTask TransformResponseTrailersAsync(HttpContext httpContext, HttpResponseMessage proxyResponse, CancellationToken cancellationToken) =>
        ValueTask.CompletedTask;

    /// <returns>False if the client gets nothing of the response: the caller of the forwarder decides on the next step.</returns>
    public override async ValueTask<bool> TransformResponseAsync(
        HttpContext httpContext, HttpResponseMessage? proxyResponse, CancellationToken cancellationToken)
    {
        var attempt = httpContext.Features.Get<ForwardAttempt>()!;
        if (proxyResponse is null)
            return true;
        var status = (int)proxyResponse.StatusCode;
        attempt.Span?.SetTag(TelemetryNames.HttpResponseStatus, status);
        attempt.Result.Status = status;
        if (await opener.OpenAsync(attempt, httpContext, proxyResponse, cancellationToken) is not { } opened)
            return false;

        attempt.Call.Result.AnsweredAt ??= time.GetTimestamp();
        if (httpContext.Features.Get<Heartbeat>() is { } heartbeat)
            await heartbeat.DisposeAsync();
        var answeredBy = attempt.Lease.Instance.IsPeer ? PeerHeaders.Clean(proxyResponse.Headers, attempt.Lease.Instance) : attempt.Lease.Instance.Name;
        // A stream's length may differ from the instance's announcement: it may end with an error, or be resumed on another instance.
        if (opened.IsStream)
            proxyResponse.Content.Headers.Remove("Content-Length");
        HeaderHygiene.CleanResponse(proxyResponse.Headers);
        HeaderHygiene.CleanResponse(proxyResponse.Content.Headers);
        if (proxyResponse.ReasonPhrase.AsSpan().ContainsAnyExceptInRange(' ', '~'))
            proxyResponse.ReasonPhrase = null;
        HeaderHygiene.Clean(proxyResponse, attempt.Lease.Instance.IsPeer ? ModelHeader : null);
        await base.TransformResponseAsync(httpContext, proxyResponse, cancellationToken);
        if (!opened.IsRefused && opened.Stream is RelayStream && attempt.Watcher is null && attempt.Call.Target.BeforeCompletion is { } before)
            await before(cancellationToken);
        if (opened.IsStream)
            ProxyBuffering.Disable(httpContext.Response.Headers);
        httpContext.Response.Headers[InstanceHeader] = HeaderText.Encode(answeredBy);
        if (attempt.Call.Model.Name is { } model && model != attempt.Call.Facts.Model)
            httpContext.Response.Headers[ModelHeader] = HeaderText.Encode(model);
        attempt.Result.IsDelivered = true;
        if (!opened.IsRefused)
        {
            outcomes.Answering(attempt.Lease);
            // A resumption may still fail in the same way. It is judged when it ends.
            if (attempt.Plan is null)
                attempt.Faults.Answered(attempt.Lease.Instance);
        }

        proxyResponse.Content = new ResponseContent(proxyResponse.Content, opened.Stream);
        return true;
    }
}
