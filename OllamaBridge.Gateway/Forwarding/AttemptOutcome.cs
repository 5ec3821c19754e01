using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Resumption;

namespace OllamaBridge.Gateway.Forwarding;

internal abstract record AttemptOutcome
{
    private AttemptOutcome()
    {
    }

    public sealed record Completed : AttemptOutcome;

    /// <summary>The instance rejected the request for a reason in the request. The client has its response.</summary>
    public sealed record Rejected : AttemptOutcome;

    public sealed record ErrorDelivered(InstanceFailure Failure) : AttemptOutcome;

    /// <summary>The client has a complete stream of progress that reports a failed transfer.</summary>
    public sealed record TransferFailed : AttemptOutcome;

    /// <summary>The client has a part of the response that ends with an error.</summary>
    public sealed record Truncated(InstanceFailure Failure) : AttemptOutcome;

    /// <summary>The client has a part of the response, to be resumed by another attempt.</summary>
    public sealed record Interrupted(Interruption Cause) : AttemptOutcome;

    /// <summary>The client has complete lines of a stream of progress, to be repeated by another attempt.</summary>
    public sealed record CutOff : AttemptOutcome;

    public sealed record Abandoned : AttemptOutcome;

    /// <summary>The client's body is faulty and gets <paramref name="Status"/>.</summary>
    public sealed record InvalidBody(int Status) : AttemptOutcome;

    /// <summary>The request is too long for the model, and another model may accept it. The client has nothing.</summary>
    public sealed record TooLong : AttemptOutcome;

    /// <summary>The instance is a bridge with a full queue. The client has nothing.</summary>
    public sealed record QueueFull(TimeSpan BusyFor) : AttemptOutcome;

    public sealed record Failed(InstanceFailure Failure) : AttemptOutcome;

    public static AttemptOutcome Of(ForwardAttempt attempt)
    {
        var result = attempt.Result;
        if (result.IsCutOff && !attempt.IsAbandoned)
            return new CutOff();
        if (result.IsDelivered || attempt.IsAbandoned)
            return OfDelivered(attempt);
        if (result.BodyFault != 0)
            return new InvalidBody(result.BodyFault);
        if (result is { WaitsForRoom: true, BusyFor: { } busyFor })
            return new QueueFull(busyFor);
        return result.IsTooLong ? new TooLong() : new Failed(result.Failure ?? InstanceFailure.Broken);
    }

    private static AttemptOutcome OfDelivered(ForwardAttempt attempt)
    {
        var result = attempt.Result;
        var reportsError = attempt.Watcher is { HasError: true };
        if (attempt.IsAbandoned && attempt.Watcher is not { IsComplete: true } && !attempt.IsComplete)
            return new Abandoned();
        if (attempt.Interrupted is { } cause)
            return new Interrupted(cause);
        if (attempt.Call.Operation.Kind == OperationKind.Management && reportsError && !result.IsTruncated)
            return new TransferFailed();
        // A resumable stream ends here if bytes that were read could not be written, and their number is unknown.
        var isUnwritten = attempt is { Call.Response.Transcript: not null, Watcher: null, IsComplete: false };
        if (result.IsTruncated || reportsError || isUnwritten)
            return new Truncated(reportsError ? InstanceFailure.ServerError : InstanceFailure.Broken);
        if (result.Failure is { } failure)
            return new ErrorDelivered(failure);
        return result.IsRejected ? new Rejected() : new Completed();
    }
}
