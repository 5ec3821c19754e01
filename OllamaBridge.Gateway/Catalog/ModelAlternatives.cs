using System.Collections.Immutable;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;

namespace OllamaBridge.Gateway.Catalog;

/// <summary>The models that can serve one request and that the tenant may use, in order of preference; never empty. Each is used once at most.</summary>
internal sealed class ModelAlternatives(ImmutableArray<ModelCandidate> candidates)
{
    private int _at;

    public ModelCandidate Current => candidates[_at];

    public bool HasNext => _at < candidates.Length - 1;

    public bool TryNext()
    {
        if (!HasNext)
            return false;
        _at++;
        return true;
    }

    public bool AnyUsable(FleetSnapshot snapshot, ModelSelection selection, long now)
    {
        for (var i = _at + 1; i < candidates.Length; i++)
            if (IsUsable(snapshot, selection, candidates[i], now))
                return true;
        return false;
    }

    public bool AnyFree(FleetSnapshot snapshot, ModelSelection selection, long now)
    {
        for (var i = _at + 1; i < candidates.Length; i++)
            if (IsFree(snapshot, selection, candidates[i], now))
                return true;
        return false;
    }

    /// <summary>Whether an instance of a model has a free slot and no open circuit or back-off.</summary>
    public static bool IsFree(FleetSnapshot snapshot, ModelSelection selection, ModelCandidate candidate, long now)
    {
        if (snapshot.Find(candidate.Key, selection.PartOf(candidate.Name)) is not { State.Waiting: 0 } model)
            return false;
        foreach (var placement in model.Usable)
            if (placement.Instance.FreeSlots(candidate.Key) > 0
                && (!placement.State.IsRestricted
                    || placement.State.Guard!.ConditionFor(now) is not (PlacementCondition.Open or PlacementCondition.Busy or PlacementCondition.Probing)))
                return true;
        return false;
    }

    /// <summary>Whether a model has an instance that can serve the request, now or after a wait.</summary>
    public static bool IsUsable(FleetSnapshot snapshot, ModelSelection selection, ModelCandidate candidate, long now)
    {
        if (snapshot.Find(candidate.Key, selection.PartOf(candidate.Name)) is { } model)
            foreach (var placement in model.Usable)
                if (!placement.State.IsOpenAt(now) && (!placement.Instance.IsPeer || placement.Instance.PeerCanServe(candidate.Key)))
                    return true;
        return false;
    }
}
