using OllamaBridge.Gateway.Resumption;

namespace OllamaBridge.Gateway.Forwarding.Faults;

/// <summary>Begins the record of a request's failed attempts.</summary>
internal sealed class FaultRecorder(PlacementOutcomes outcomes, RepeatedFailures repeated)
{
    public FailedAttempts Begin(ForwardedCall call)
    {
        var failed = new FailedAttempts(call, outcomes, repeated);
        failed.Restart();
        return failed;
    }
}
