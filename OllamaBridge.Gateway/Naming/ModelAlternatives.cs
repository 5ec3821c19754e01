using System.Collections.Immutable;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;

namespace OllamaBridge.Gateway.Naming;

/// <summary>The models that may answer one request, in the order in which they are asked; each is asked once at most.</summary>
/// <param name="candidates">Those that the request's tenant may use; never empty.</param>
internal sealed class ModelAlternatives(ImmutableArray<ModelCandidate> candidates)
{
    private int _at;

    /// <summary>The one that is asked now.</summary>
    public ModelCandidate Current => candidates[_at];

    /// <summary>Whether there are further ones.</summary>
    public bool HasNext => _at < candidates.Length - 1;

    /// <summary>Goes on to the next.</summary>
    /// <returns>False where there is none.</returns>
    public bool TryNext()
    {
        if (!HasNext)
            return false;
        _at++;
        return true;
    }

    /// <summary>Whether one of the further models has an instance that may be given work.</summary>
    public bool AnyUsable(FleetSnapshot snapshot, BridgeCall call, long now)
    {
        for (var i = _at + 1; i < candidates.Length; i++)
            if (IsUsable(snapshot, call, candidates[i], now))
                return true;
        return false;
    }

    /// <summary>Whether one of the further models can serve a request at once.</summary>
    public bool AnyFree(FleetSnapshot snapshot, BridgeCall call, long now)
    {
        for (var i = _at + 1; i < candidates.Length; i++)
            if (IsFree(snapshot, call, candidates[i], now))
                return true;
        return false;
    }

    /// <summary>Whether an instance of a model has a free slot and does not ask to be left alone.</summary>
    public static bool IsFree(FleetSnapshot snapshot, BridgeCall call, ModelCandidate candidate, long now)
    {
        if (snapshot.Find(candidate.Key, call.PartOf(candidate.Name)) is not { State.Waiting: 0 } model)
            return false;
        foreach (var placement in model.Usable)
            if (placement.Instance.FreeSlots(candidate.Key) > 0
                && (!placement.State.IsRestricted
                    || placement.State.Guard!.ConditionFor(now) is not (PlacementCondition.Open or PlacementCondition.Busy or PlacementCondition.Probing)))
                return true;
        return false;
    }

    /// <summary>Whether a model has an instance that may be given work for a request.</summary>
    public static bool IsUsable(FleetSnapshot snapshot, BridgeCall call, ModelCandidate candidate, long now)
    {
        if (snapshot.Find(candidate.Key, call.PartOf(candidate.Name)) is { } model)
            foreach (var placement in model.Usable)
                if (!placement.State.IsOpenAt(now) && (!placement.Instance.IsPeer || placement.Instance.PeerCanServe(candidate.Key)))
                    return true;
        return false;
    }
}
