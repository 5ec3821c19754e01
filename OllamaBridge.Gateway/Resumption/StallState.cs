using OllamaBridge.Gateway.Resumption.Liveness;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>The findings of <see cref="StallDetector"/> about one attempt. Only its loop changes them.</summary>
internal sealed class StallState
{
    /// <summary>Whether the response so far can be resumed; null until it matters.</summary>
    public ResumeFeasibility? Feasibility { get; set; }

    /// <summary>The liveness check of the instance; null until the response has been silent long enough.</summary>
    public LivenessCheck? Liveness { get; set; }

    /// <summary>Whether another instance could complete the response; null until checked.</summary>
    public bool? IsResumable { get; set; }

    /// <summary>Whether the instance responds on other routes, but not to a check that may have to wait for a slot.</summary>
    public bool IsSuspect { get; set; }

}
