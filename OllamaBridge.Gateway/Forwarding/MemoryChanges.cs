using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Whether a finished attempt may have changed which models its instance has in memory, so that the instance is looked at again. Pure.</summary>
internal static class MemoryChanges
{
    /// <summary>Whether a model was loaded, unloaded, or failed.</summary>
    /// <param name="call">The request.</param>
    /// <param name="attempt">The attempt.</param>
    public static bool MayHaveChanged(BridgeCall call, ForwardAttempt attempt) =>
        call.Operation.Kind == OperationKind.Inference
        && (!attempt.Lease.WasLoaded || call.Facts.Demands.KeepAlive == TimeSpan.Zero || attempt.Failure is not null || attempt.Truncated);
}
