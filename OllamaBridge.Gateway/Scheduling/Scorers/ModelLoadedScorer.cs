using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Scheduling.Scorers;

/// <summary>Scores 1 if the model is in memory, and less the more a load would cost the fleet.</summary>
internal sealed class ModelLoadedScorer : IInstanceScorer
{
    private const float Resident = 1f;
    private const float RoomLeft = 0.5f;
    private const float DisplacesCopy = 0.25f;
    private const float DisplacesLast = 0f;
    // Up to this many candidates, the scorer looks up the models that a load would evict. Above, the snapshot's value is accurate enough.
    private const int FewCandidates = 64;

    public string Name => "model-loaded";

    public void AddScores(in SchedulingRequest request, Candidates candidates, float weight)
    {
        TensorPrimitives.MultiplyAdd(candidates.Resident, weight * Resident, candidates.Sum, candidates.Sum);
        if ((int)TensorPrimitives.Sum(candidates.Resident) == candidates.Count)
            return;
        var usable = request.Model.Usable.AsSpan();
        var lookClosely = candidates.Count <= FewCandidates;
        var resident = candidates.Resident;
        var index = candidates.Index;
        var sums = candidates.Sum;
        for (var i = 0; i < resident.Length; i++)
            if (resident[i] == 0)
                sums[i] += weight * CostOfLoading(usable[index[i]], lookClosely);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float CostOfLoading(in UsablePlacement placement, bool lookClosely)
    {
        var instance = placement.Instance;
        if (instance.HasRoom)
            return RoomLeft / (1 + instance.Residents); // prefers an empty instance to one that would share its memory
        return (lookClosely ? instance.HasOnlyCopy() : placement.HadOnlyCopy) ? DisplacesLast : DisplacesCopy;
    }
}
