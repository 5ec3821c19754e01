using System.Diagnostics;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>The client span of each attempt, named and tagged by OpenTelemetry's semantic conventions for generative AI.</summary>
internal static class AttemptTracing
{
    public static Activity? StartAttempt(ForwardedCall call, Instance instance)
    {
        if (!BridgeTracing.Source.HasListeners())
            return null;
        var operation = Labels.OfGenAi(call.Operation);
        var name = call.Model.Key.Length > 0 ? $"{operation} {call.Model.Key}" : operation;
        return BridgeTracing.Source.StartActivity(name, ActivityKind.Client) is not { } span
            ? null
            : BridgeTracing.Describe(span, call.Operation, call.Model.Key)
                .SetTag(TelemetryNames.ServerAddress, instance.Url.Host)
                .SetTag(TelemetryNames.ServerPort, instance.Url.Port)
                .SetTag(TelemetryNames.BridgeInstance, instance.Name)
                .SetTag(TelemetryNames.BridgeRegion, instance.IsPeer ? instance.Name : null)
                .SetTag(TelemetryNames.BridgeAttempt, call.Result.Attempts);
    }

    public static void RecordFirstByte(ForwardAttempt attempt) => attempt.Span?.AddEvent(new ActivityEvent(TelemetryNames.FirstTokenEvent));

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
}
