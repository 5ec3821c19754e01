using System.Collections.Immutable;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Scheduling;

/// <summary>An instance under consideration: what changes from request to request, read once so that all policies see the same.</summary>
internal struct Candidate
{
    /// <summary>Its position in <see cref="ModelView.Usable"/>.</summary>
    public int Index;

    /// <summary>The share of its slots that is free, from 0 to 1; 0 for none.</summary>
    public float Free;

    /// <summary>Seconds to the first token, lately; infinite where unknown.</summary>
    public float TimeToFirstToken;

    /// <summary>The weighted sum of scores so far.</summary>
    public float Sum;

    /// <summary>The instance's number for rendezvous hashing.</summary>
    public ulong Seed;

    /// <summary>Whether the model is in its memory or on its way there.</summary>
    public bool IsResident;

    /// <summary>Reads all that may be given work.</summary>
    /// <param name="usable">The model's usable placements.</param>
    /// <param name="candidates">Receives them; as long as <paramref name="usable"/>.</param>
    public static void Gather(ImmutableArray<UsablePlacement> usable, Span<Candidate> candidates)
    {
        var source = usable.AsSpan();
        for (var i = 0; i < source.Length; i++)
        {
            ref readonly var placement = ref source[i];
            ref var candidate = ref candidates[i];
            var instance = placement.Instance;
            var firstToken = (float)placement.State.TimeToFirstToken;
            candidate.Index = i;
            candidate.Free = instance.FreeShare;
            candidate.TimeToFirstToken = float.IsNaN(firstToken) ? float.PositiveInfinity : Math.Max(firstToken, 1e-6f);
            candidate.Sum = 0;
            candidate.Seed = instance.Seed;
            candidate.IsResident = placement.State.IsResident;
        }
    }
}
