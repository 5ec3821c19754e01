using System.Numerics.Tensors;

namespace OllamaBridge.Gateway.Scheduling.Scorers;

/// <summary>The share of slots that is free.</summary>
internal sealed class LoadScorer : IInstanceScorer
{
    /// <inheritdoc/>
    public string Name => "load";

    /// <inheritdoc/>
    public void AddScores(in SchedulingRequest request, Candidates candidates, float weight) =>
        TensorPrimitives.MultiplyAdd(candidates.Free, weight, candidates.Sum, candidates.Sum);
}
