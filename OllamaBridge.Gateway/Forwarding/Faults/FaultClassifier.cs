using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding.Faults;

/// <summary>The one place that decides who is at fault. Pure: the words of an error play no part.</summary>
internal static class FaultClassifier
{
    /// <summary>Classifies a failed attempt.</summary>
    /// <param name="attempt">What is known about it.</param>
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
            // A refused connection needs no second opinion: the next probe shows whether the instance is back.
            InstanceFailure.Refused => Fault.Instance,
            // A transfer depends on the registry, the network and the disk. It says nothing about inference.
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

    /// <summary>Whether a server error is the client's own, which the request or the status shows without another instance's answer.</summary>
    /// <param name="failure">How the attempt failed.</param>
    /// <param name="status">The status that it got; 0 for none.</param>
    /// <param name="hasInvalidValue">Whether the request has a value that servers can only refuse.</param>
    public static bool IsRequestFault(InstanceFailure failure, int status, bool hasInvalidValue) =>
        failure == InstanceFailure.ServerError
        && (status == StatusCodes.Status501NotImplemented || (status is 0 or StatusCodes.Status200OK or StatusCodes.Status500InternalServerError && hasInvalidValue));

    /// <summary>Whether two attempts failed in the same way.</summary>
    /// <param name="failure">How the first failed.</param>
    /// <param name="status">The status that it got; 0 for none.</param>
    /// <param name="otherFailure">How the second failed.</param>
    /// <param name="otherStatus">The status that it got; 0 for none.</param>
    public static bool IsAlike(InstanceFailure failure, int status, InstanceFailure otherFailure, int otherStatus) =>
        failure == otherFailure && status == otherStatus;

    /// <summary>Whether a failure that two instances share will happen again if the same request is repeated.</summary>
    /// <remarks>A time-out and a full queue pass. A connection that broke in the middle of a response may be two instances that died.</remarks>
    /// <param name="failure">How both failed.</param>
    /// <param name="isBusy">Whether both said that they are busy.</param>
    /// <param name="hasBegun">Whether the response had begun.</param>
    public static bool WillRepeat(InstanceFailure failure, bool isBusy, bool hasBegun) => failure switch
    {
        InstanceFailure.ServerError => !isBusy,
        InstanceFailure.OutOfMemory or InstanceFailure.BridgeError => true,
        InstanceFailure.Broken => !hasBegun,
        _ => false,
    };
}

/// <summary>What is known about a failed attempt.</summary>
/// <param name="Failure">How it failed; null if it was rejected or the client left.</param>
/// <param name="Kind">What kind of operation it was.</param>
/// <param name="Others">What other instances made of the request.</param>
internal readonly record struct AttemptEvidence(InstanceFailure? Failure, OperationKind Kind, OtherInstances Others = OtherInstances.NotAsked)
{
    /// <summary>Whether the client hung up.</summary>
    public bool ClientLeft { get; init; }

    /// <summary>Whether the instance rejected the request with an error of its own.</summary>
    public bool Rejected { get; init; }

    /// <summary>Whether the same request failed lately on two instances, or now on one and now on another.</summary>
    public bool IsKnownToFail { get; init; }
}
