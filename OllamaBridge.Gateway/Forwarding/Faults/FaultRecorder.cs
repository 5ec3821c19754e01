using OllamaBridge.Gateway.Resumption;

namespace OllamaBridge.Gateway.Forwarding.Faults;

internal sealed class FaultRecorder(PlacementOutcomes outcomes, RepeatedFailures repeated)
{
    public FailedAttempts Begin(ForwardedCall call)
    {
        var failed = new FailedAttempts(call, outcomes, repeated);
        failed.Restart();
        return failed;
    }
}
