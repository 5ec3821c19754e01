using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding.Faults;

/// <summary>Decides which party caused a failure. Pure: the text of an error plays no part.</summary>
internal static class FaultClassifier
{
    public static Fault Classify(in AttemptEvidence attempt)
    {
        if (attempt.ClientLeft)
            return Fault.Client;
        if (attempt.Rejected)
            return Fault.Request;
        return attempt.Failure switch
        {
            InstanceFailure.ClientBody => Fault.Client,
            InstanceFailure.Drained or InstanceFailure.Stopped or InstanceFailure.Overtaken => Fault.Bridge,
            InstanceFailure.BridgeError or InstanceFailure.StaleConnection or InstanceFailure.StaleCatalog => Fault.Bridge,
            // A refused connection needs no comparison: the next probe shows whether the instance is back.
            InstanceFailure.Refused => Fault.Instance,
            // A transfer depends on the registry, the network and the disk. It is no evidence about inference.
            _ when attempt.Kind == OperationKind.Management => attempt.Others == OtherInstances.FailedAlike ? Fault.Request : Fault.Unknown,
            _ => attempt.Others switch
            {
                OtherInstances.FailedAlike => Fault.Request,
                _ when attempt.IsKnownToFail => Fault.Request,
                OtherInstances.Answered => Fault.Instance,
                _ => Fault.Unknown,
            },
        };
    }

    /// <param name="status">0 for none.</param>
    public static bool IsRequestFault(InstanceFailure failure, int status, bool hasInvalidValue) =>
        failure == InstanceFailure.ServerError
        && (status == StatusCodes.Status501NotImplemented || (status is 0 or StatusCodes.Status200OK or StatusCodes.Status500InternalServerError && hasInvalidValue));

    public static bool IsAlike(InstanceFailure failure, int status, InstanceFailure otherFailure, int otherStatus) =>
        failure == otherFailure && status == otherStatus;

    /// <returns>False for time-outs and full queues, and for connections that broke in the middle of a response: two instances may have died.</returns>
    public static bool WillRepeat(InstanceFailure failure, bool isBusy, bool hasBegun) => failure switch
    {
        InstanceFailure.ServerError => !isBusy,
        InstanceFailure.OutOfMemory or InstanceFailure.BridgeError => true,
        InstanceFailure.Broken => !hasBegun,
        _ => false,
    };
}

/// <summary><paramref name="Failure"/> is null if the request was rejected or the client disconnected.</summary>
internal readonly record struct AttemptEvidence(InstanceFailure? Failure, OperationKind Kind, OtherInstances Others = OtherInstances.NotAsked)
{
    public bool ClientLeft { get; init; }

    public bool Rejected { get; init; }

    /// <summary>Whether the same request recently failed on two instances, or on different instances at different times.</summary>
    public bool IsKnownToFail { get; init; }
}
