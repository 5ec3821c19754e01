using System.Collections.Immutable;
using OllamaBridge.Gateway.Fleet;

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
