using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Scheduling.Scorers;

/// <summary>1 where the model is in memory; less the more a load there would cost the fleet.</summary>
internal sealed class ModelLoadedScorer : IInstanceScorer
{
    private const float Resident = 1f;
    private const float RoomLeft = 0.5f;
    private const float DisplacesCopy = 0.25f;
    private const float DisplacesLast = 0f;
    // Up to so many, what each would displace is looked up; beyond, what was so when the snapshot was taken is near enough.
    private const int FewCandidates = 64;

    /// <inheritdoc/>
    public string Name => "model-loaded";

    /// <inheritdoc/>
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
            return RoomLeft / (1 + instance.Residents); // an empty instance before one that would have to share
        return (lookClosely ? instance.HoldsLastCopy() : placement.HeldLastCopy) ? DisplacesLast : DisplacesCopy;
    }
}
