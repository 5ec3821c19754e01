using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Scheduling.Scorers;

/// <summary>1 where the model is in memory; less the more a load there would cost the fleet.</summary>
internal sealed class ModelLoadedScorer : IInstanceScorer
{
    private const float Resident = 1f;
    private const float RoomLeft = 0.5f;
    private const float DisplacesCopy = 0.25f;
    private const float DisplacesLast = 0f;

    /// <inheritdoc/>
    public string Name => "model-loaded";

    /// <inheritdoc/>
    public void AddScores(
        in SchedulingRequest request,
        ReadOnlySpan<ModelPlacement> placements,
        ReadOnlySpan<int> candidates,
        Span<float> sums,
        float weight)
    {
        for (var i = 0; i < candidates.Length; i++)
        {
            var placement = placements[candidates[i]];
            sums[i] += weight * (placement.State.IsResident ? Resident : CostOfLoading(placement.Instance));
        }
    }

    private static float CostOfLoading(Instance instance)
    {
        var resident = instance.CountResident();
        if (resident < instance.Capacity)
            return RoomLeft / (1 + resident); // an empty instance before one that would have to share
        foreach (var other in instance.Placements)
            if (other.IsResident && other.Model.Copies <= 1)
                return DisplacesLast;
        return DisplacesCopy;
    }
}
