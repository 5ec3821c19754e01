using System.Diagnostics;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Forwarding.Continuation;
using OllamaBridge.Gateway.Regions;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Telemetry;

/// <summary>The spans of a request's way: <c>queue</c>, <c>decide</c>, and one client span for each time it is sent.</summary>
/// <remarks>
/// Beneath the server span that ASP.NET Core makes. The client span is named and tagged as OpenTelemetry's semantic conventions for
/// generative AI have it. Where nobody listens every method costs one comparison. Never a prompt, an answer or a key.
/// </remarks>
internal static class BridgeTracing
{
    // Whoever is behind those explains nothing.
    private const int MostScores = 16;
    private static readonly ActivitySource Source = new(TelemetryNames.ActivitySource);

    /// <summary>The request begins to wait for an instance; ended when it has one or is refused.</summary>
    public static Activity? StartQueue(BridgeCall call) =>
        Source.StartActivity(TelemetryNames.QueueSpan)?.SetTag(TelemetryNames.GenAiRequestModel, call.ModelKey);

    /// <summary>The request waits for a tier that must be started first.</summary>
    /// <param name="queue">The span of the wait; null where nobody listens.</param>
    /// <param name="tier">The tier.</param>
    public static void RecordActivation(Activity? queue, ColdTier tier) => queue?.AddEvent(new ActivityEvent(
        TelemetryNames.ActivationEvent, tags: new ActivityTagsCollection { [TelemetryNames.BridgeTier] = tier.Name }));

    /// <summary>An instance has been chosen.</summary>
    /// <param name="queue">The span of the wait; null where nobody listens.</param>
    /// <param name="started">When the decision began.</param>
    /// <param name="model">What was asked for.</param>
    /// <param name="lease">What was chosen.</param>
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

    /// <summary>Whether anybody hears of an activity: ASP.NET Core makes one for its log's scopes, too, where nobody traces, and it says that it wants everything.</summary>
    public static bool IsHeard(Activity activity) => activity.Source.HasListeners();

    /// <summary>The request is sent to an instance.</summary>
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

    /// <summary>The first byte of the answer has come.</summary>
    public static void RecordFirstByte(ForwardAttempt attempt) => attempt.Span?.AddEvent(new ActivityEvent(TelemetryNames.FirstTokenEvent));

    /// <summary>The answer broke off, and may be gone on with.</summary>
    public static void RecordInterruption(Interruption cause) => Activity.Current?.AddEvent(new ActivityEvent(
        TelemetryNames.InterruptionEvent, tags: new ActivityTagsCollection { [TelemetryNames.ErrorType] = Labels.Of(cause) }));

    /// <summary>An attempt has ended.</summary>
    public static void EndAttempt(ForwardAttempt attempt)
    {
        if (attempt.Span is not { } span)
            return;
        if (attempt.IsOvertaken)
        {
            // What the request took is the other's.
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
            : attempt.IsTooLong ? Labels.Of(Naming.FallbackCause.TooLong)
            : null;
        if (error is not null)
            span.SetTag(TelemetryNames.ErrorType, error).SetStatus(ActivityStatusCode.Error);
        else if (attempt.Delivered && attempt.Watcher is not { IsComplete: false })
            span.SetStatus(ActivityStatusCode.Ok);
        span.Dispose();
    }

    /// <summary>Completes the span of the whole request, which ASP.NET Core made without knowing the route.</summary>
    public static void DescribeServer(Activity span, BridgeCall call, HttpRequest request)
    {
        Describe(span, call);
        var path = request.Path.Value ?? "";
        // A name or digest at the path's end belongs to no span's name: there would be one for each.
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

    /// <summary>What the spans that stand for the model's work tell of it.</summary>
    private static Activity Describe(Activity span, BridgeCall call)
    {
        span.SetTag(TelemetryNames.GenAiOperation, Labels.OfGenAi(call.Operation));
        span.SetTag(TelemetryNames.GenAiProvider, TelemetryNames.Ollama);
        if (call.ModelKey.Length > 0)
            span.SetTag(TelemetryNames.GenAiRequestModel, call.ModelKey);
        return span;
    }
}
