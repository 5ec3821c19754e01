using System.Numerics.Tensors;

namespace OllamaBridge.Gateway.Scheduling.Scorers;

internal sealed class LoadScorer : IInstanceScorer
{
    public string Name => "load";

    public void AddScores(in SchedulingRequest request, Candidates candidates, float weight) =>
        TensorPrimitives.MultiplyAdd(candidates.Free, weight, candidates.Sum, candidates.Sum);
}
