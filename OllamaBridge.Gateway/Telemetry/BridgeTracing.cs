using System.Diagnostics;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Forwarding;
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
    public static Activity? StartQueue(BridgeCall call) =>
        Source.StartActivity(TelemetryNames.QueueSpan)?.SetTag(TelemetryNames.GenAiRequestModel, call.ModelKey);

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
    public static bool IsHeard(Activity activity) => activity.Source.HasListeners();

    public static Activity? StartAttempt(BridgeCall call, Instance instance)
    {
        if (!Source.HasListeners())
            return null;
        var operation = Labels.OfGenAi(call.Operation);
        var name = call.ModelKey.Length > 0 ? $"{operation} {call.ModelKey}" : operation;
        return Source.StartActivity(name, ActivityKind.Client) is not { } span
            ? null
            : Describe(span, call)
                .SetTag(TelemetryNames.ServerAddress, instance.Url.Host)
                .SetTag(TelemetryNames.ServerPort, instance.Url.Port)
                .SetTag(TelemetryNames.BridgeInstance, instance.Name)
                .SetTag(TelemetryNames.BridgeRegion, instance.IsPeer ? instance.Name : null)
                .SetTag(TelemetryNames.BridgeAttempt, call.Attempts);
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

        var input = attempt.Watcher?.InputTokens ?? attempt.Call.Kept?.End.PromptTokens ?? attempt.Call.InputTokens;
        var output = attempt.Watcher?.OutputTokens ?? attempt.Call.Kept?.End.Tokens ?? attempt.Call.OutputTokens;
        if (input > 0)
            span.SetTag(TelemetryNames.GenAiInputTokens, input);
        if (output > 0)
            span.SetTag(TelemetryNames.GenAiOutputTokens, output);
        var error = attempt.Interrupted is { } cause ? Labels.Of(cause)
            : attempt.Truncated || attempt.Watcher is { HasError: true } ? "truncated"
            : attempt.Failure is { } failure ? Labels.Of(failure)
            : attempt.IsTooLong ? Labels.Of(FallbackCause.TooLong)
            : null;
        if (error is not null)
            span.SetTag(TelemetryNames.ErrorType, error).SetStatus(ActivityStatusCode.Error);
        else if (attempt.Delivered && attempt.Watcher is not { IsComplete: false })
            span.SetStatus(ActivityStatusCode.Ok);
        span.Dispose();
    }

    /// <summary>Completes the server span, which ASP.NET Core creates without the route.</summary>
    public static void DescribeServer(Activity span, BridgeCall call, HttpRequest request)
    {
        Describe(span, call);
        var path = request.Path.Value ?? "";
        // A name or digest at the end of the path would make each span's name unique.
        var route = call.Rest.Length > 0 && path.EndsWith(call.Rest, StringComparison.Ordinal) ? $"{path[..^call.Rest.Length]}{{name}}" : path;
        span.DisplayName = $"{request.Method} {route}";
        span.SetTag(TelemetryNames.HttpRoute, route);
        if (call.InputTokens > 0)
            span.SetTag(TelemetryNames.GenAiInputTokens, call.InputTokens);
        if (call.OutputTokens > 0)
            span.SetTag(TelemetryNames.GenAiOutputTokens, call.OutputTokens);
        if (call.AnsweredBy is { } instance)
            span.SetTag(TelemetryNames.BridgeInstance, instance.Name);
        span.SetTag(TelemetryNames.BridgeAttempts, call.Attempts);
    }

    /// <summary>Adds the tags of spans of model operations.</summary>
    private static Activity Describe(Activity span, BridgeCall call)
    {
        span.SetTag(TelemetryNames.GenAiOperation, Labels.OfGenAi(call.Operation));
        span.SetTag(TelemetryNames.GenAiProvider, TelemetryNames.Ollama);
        if (call.ModelKey.Length > 0)
            span.SetTag(TelemetryNames.GenAiRequestModel, call.ModelKey);
        return span;
    }
}
