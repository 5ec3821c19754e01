using System.Diagnostics;
using Microsoft.AspNetCore.Http.Features;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Telemetry;

/// <summary>The spans of a request: <c>queue</c>, <c>decide</c>, and one client span for each attempt.</summary>
/// <remarks>
/// They are children of ASP.NET Core's server span. The client span is named and tagged by OpenTelemetry's semantic conventions for
/// generative AI. Without a listener every method costs one comparison. No span contains a prompt, a response or a key.
/// </remarks>
internal static class BridgeTracing
{
    // Lower scores do not explain a decision.
    private const int MostScores = 16;
    private static readonly ActivitySource Source = new(TelemetryNames.ActivitySource);

    /// <summary>Starts the span of a request's wait for an instance. It ends with a lease or a rejection.</summary>
    public static Activity? StartQueue(ForwardedCall call) =>
        Source.StartActivity(TelemetryNames.QueueSpan)?.SetTag(TelemetryNames.GenAiRequestModel, call.Model.Key);

    /// <summary>
    /// Records that the request waits for a cold tier. <paramref name="queue"/> is null without a listener; <paramref name="tier"/> is the tier.
    /// </summary>
    public static void RecordActivation(Activity? queue, ColdTier tier) => queue?.AddEvent(new ActivityEvent(
        TelemetryNames.ActivationEvent, tags: new ActivityTagsCollection { [TelemetryNames.BridgeTier] = tier.Name }));

    /// <summary>Records the choice of an instance.</summary>
    /// <param name="queue">The span of the wait; null without a listener.</param>
    /// <param name="started">When the decision began.</param>
    /// <param name="model">The requested model.</param>
    /// <param name="lease">The resulting lease.</param>
    public static void RecordDecision(Activity? queue, DateTimeOffset started, ModelView model, InstanceLease lease)
    {
        if (queue is null)
            return;
        using var span = Source.StartActivity(TelemetryNames.DecideSpan, ActivityKind.Internal, queue.Context, startTime: started);
        span?.SetTag(TelemetryNames.BridgeInstance, lease.Instance.Name)
            .SetTag(TelemetryNames.BridgeCandidates, model.Usable.Length)
            .SetTag(TelemetryNames.BridgeLoaded, lease.WasLoaded)
            .SetTag(TelemetryNames.BridgeSpill, lease.Spill == SpillReason.None ? null : Labels.Of(lease.Spill))
            .AddEvent(new ActivityEvent(TelemetryNames.ScoresEvent, tags: new ActivityTagsCollection { [TelemetryNames.BridgeScores] = Scheduler.LastScores(MostScores) }));
    }

    /// <summary>Whether an activity has a listener. ASP.NET Core also creates activities for log scopes without tracing, with all data requested.</summary>
    public static bool HasListener(Activity activity) => activity.Source.HasListeners();

    public static Activity? StartAttempt(ForwardedCall call, Instance instance)
    {
        if (!Source.HasListeners())
            return null;
        var operation = Labels.OfGenAi(call.Operation);
        var name = call.Model.Key.Length > 0 ? $"{operation} {call.Model.Key}" : operation;
        return Source.StartActivity(name, ActivityKind.Client) is not { } span
            ? null
            : Describe(span, call.Operation, call.Model.Key)
                .SetTag(TelemetryNames.ServerAddress, instance.Url.Host)
                .SetTag(TelemetryNames.ServerPort, instance.Url.Port)
                .SetTag(TelemetryNames.BridgeInstance, instance.Name)
                .SetTag(TelemetryNames.BridgeRegion, instance.IsPeer ? instance.Name : null)
                .SetTag(TelemetryNames.BridgeAttempt, call.Result.Attempts);
    }

    public static void RecordFirstByte(ForwardAttempt attempt) => attempt.Span?.AddEvent(new ActivityEvent(TelemetryNames.FirstTokenEvent));

    public static void RecordInterruption(Interruption cause) => Activity.Current?.AddEvent(new ActivityEvent(
        TelemetryNames.InterruptionEvent, tags: new ActivityTagsCollection { [TelemetryNames.ErrorType] = Labels.Of(cause) }));

    public static void EndAttempt(ForwardAttempt attempt)
    {
        if (attempt.Span is not { } span)
            return;
        if (attempt.IsOvertaken)
        {
            // The request's tokens belong to the other attempt's span.
            span.SetTag(TelemetryNames.BridgeOvertaken, true).Dispose();
            return;
        }

        var input = attempt.Watcher?.InputTokens ?? attempt.Call.Response.Transcript?.End.PromptTokens ?? attempt.Call.Result.InputTokens;
        var output = attempt.Watcher?.OutputTokens ?? attempt.Call.Response.Transcript?.End.Tokens ?? attempt.Call.Result.OutputTokens;
        if (input > 0)
            span.SetTag(TelemetryNames.GenAiInputTokens, input);
        if (output > 0)
            span.SetTag(TelemetryNames.GenAiOutputTokens, output);
        var error = attempt.Interrupted is { } cause ? Labels.Of(cause)
            : attempt.Result.IsTruncated || attempt.Watcher is { HasError: true } ? "truncated"
            : attempt.Result.Failure is { } failure ? Labels.Of(failure)
            : attempt.Result.IsTooLong ? Labels.Of(FallbackCause.TooLong)
            : null;
        if (error is not null)
            span.SetTag(TelemetryNames.ErrorType, error).SetStatus(ActivityStatusCode.Error);
        else if (attempt.Result.IsDelivered && attempt.Watcher is not { IsComplete: false })
            span.SetStatus(ActivityStatusCode.Ok);
        span.Dispose();
    }

    /// <summary>Completes the server span, which ASP.NET Core creates without the route.</summary>
    public static void DescribeServer(Activity span, HttpContext context, RequestResult result)
    {
        var (operation, rest) = context.Features.GetRequiredFeature<OperationFeature>();
        var request = context.Request;
        Describe(span, operation, context.Features.Get<ModelSelection>()?.Key ?? "");
        var path = request.Path.Value ?? "";
        // A name or digest at the end of the path would make each span's name unique.
        var route = rest.Length > 0 && path.EndsWith(rest, StringComparison.Ordinal) ? $"{path[..^rest.Length]}{{name}}" : path;
        span.DisplayName = $"{request.Method} {route}";
        span.SetTag(TelemetryNames.HttpRoute, route);
        if (result.InputTokens > 0)
            span.SetTag(TelemetryNames.GenAiInputTokens, result.InputTokens);
        if (result.OutputTokens > 0)
            span.SetTag(TelemetryNames.GenAiOutputTokens, result.OutputTokens);
        if (result.AnsweredBy is { } instance)
            span.SetTag(TelemetryNames.BridgeInstance, instance.Name);
        span.SetTag(TelemetryNames.BridgeAttempts, result.Attempts);
    }

    /// <summary>Adds the tags of spans of model operations.</summary>
    private static Activity Describe(Activity span, Operation operation, string model)
    {
        span.SetTag(TelemetryNames.GenAiOperation, Labels.OfGenAi(operation));
        span.SetTag(TelemetryNames.GenAiProvider, TelemetryNames.Ollama);
        if (model.Length > 0)
            span.SetTag(TelemetryNames.GenAiRequestModel, model);
        return span;
    }
}
