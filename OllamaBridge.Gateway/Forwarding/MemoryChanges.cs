using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Decides whether an attempt may have changed which models its instance has in memory, so that the instance is probed again. Pure.</summary>
internal static class MemoryChanges
{
    public static bool MayHaveChanged(ForwardAttempt attempt) =>
        attempt.Call.Operation.Kind == OperationKind.Inference
        && (!attempt.Lease.WasLoaded || attempt.Call.Facts.Demands.KeepAlive == TimeSpan.Zero || attempt.Result.Failure is not null || attempt.Result.IsTruncated);
}
