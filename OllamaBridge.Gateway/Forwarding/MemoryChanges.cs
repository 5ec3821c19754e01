using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Decides whether an attempt may have changed which models its instance has in memory, so that the instance is probed again. Pure.</summary>
internal static class MemoryChanges
{
    public static bool MayHaveChanged(BridgeCall call, ForwardAttempt attempt) =>
        call.Operation.Kind == OperationKind.Inference
        && (!attempt.Lease.WasLoaded || call.Facts.Demands.KeepAlive == TimeSpan.Zero || attempt.Failure is not null || attempt.Truncated);
}
