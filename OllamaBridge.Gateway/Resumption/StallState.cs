using OllamaBridge.Gateway.Resumption.Liveness;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>The findings of <see cref="StallDetector"/> about one attempt. Only its loop changes them.</summary>
internal sealed class StallState
{
    public ResumeFeasibility? Feasibility { get; set; }

    public LivenessCheck? Liveness { get; set; }

    public bool? IsResumable { get; set; }

    /// <summary>Whether the instance responds on other routes, but not to a check that may have to wait for a slot.</summary>
    public bool IsSuspect { get; set; }

}
