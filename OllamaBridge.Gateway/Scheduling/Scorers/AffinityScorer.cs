using System.Numerics;
using System.Numerics.Tensors;

namespace OllamaBridge.Gateway.Scheduling.Scorers;

/// <summary>
/// Prefers the instance whose prompt cache has the conversation's prefix, if that instance's load allows it. The score is greater the more
/// prefill it saves; all other instances get 0.
/// </summary>
/// <remarks>
/// Uses the instance of the last request if that is known, else rendezvous hashing (Thaler and Ravishankar, 1998): every bridge finds the same
/// instance without a table, and a new or removed instance moves only its own share of conversations. Loads are bounded as in consistent hashing
/// with bounded loads (Mirrokni, Thorup and Zadimoghaddam, 2016): an instance with more than <see cref="Factor"/> times the mean load plus one
/// request is skipped, so that requests with a common prefix don't pile up on one instance.
/// </remarks>
internal sealed class AffinityScorer : IInstanceScorer
{
    /// <summary>The bound of an instance's load, relative to the mean load.</summary>
    public const float Factor = 1.25f;

    /// <summary>The saved prefill, in seconds, that gives half of the variable score.</summary>
    public const float HalfSaving = 0.1f;

    // If no prefill is saved, affinity still decides between equal instances and outweighs a slightly slower first token.
    private const float LeastShare = 0.5f;
    // An instance below the mean load is never skipped. With this many tries, almost every decision finds one.
    private const int MaxTries = 32;

    public string Name => "affinity";

    public void AddScores(in SchedulingRequest request, Candidates candidates, float weight)
    {
        if (request.Affinity == 0)
            return;
        var mean = 1 - (TensorPrimitives.Sum(candidates.Free) / candidates.Count);
        var at = request.Place is { } place ? candidates.Seed.IndexOf(place) : -1;
        // The instance of the last request has the whole prefix in its cache, which justifies up to one more request.
        if (at < 0 || !IsWithinBound(request, candidates, at, mean, 1 + Saving(request, candidates, at)))
            at = Hash(request, candidates, mean);
        if (at >= 0)
            candidates.Sum[at] += weight * (LeastShare + ((1 - LeastShare) * Saving(request, candidates, at)));
    }

    /// <summary>The first instance within the load bound, in the conversation's own order; -1 for none.</summary>
    private static int Hash(in SchedulingRequest request, Candidates candidates, float mean)
    {
        var seeds = candidates.Seed;
        var ranks = candidates.Ranks;
        var (low, high) = ((uint)request.Affinity, (uint)(request.Affinity >> 32));
        var i = 0;
        for (; i <= seeds.Length - Vector<uint>.Count; i += Vector<uint>.Count)
            Rank(new Vector<uint>(seeds[i..]), low, high).CopyTo(ranks[i..]);
        for (; i < seeds.Length; i++)
            ranks[i] = Rank(new Vector<uint>(seeds[i]), low, high)[0];
        for (var tries = Math.Min(MaxTries, ranks.Length); tries > 0; tries--)
        {
            var at = TensorPrimitives.IndexOfMax<uint>(ranks);
            if (IsWithinBound(request, candidates, at, mean, 1))
                return at;
            ranks[at] = 0;
        }

        return -1;
    }

    /// <summary>Loads are shares of slots, so that a larger instance may have more requests.</summary>
    private static bool IsWithinBound(in SchedulingRequest request, Candidates candidates, int at, float mean, float more)
    {
        // An instance in slow start, or with its slots used by other gateways, has no free slot and counts as full.
        var instance = request.Model.Usable[candidates.Index[at]].Instance;
        return 1 - candidates.Free[at] <= (Factor * mean) + (more / instance.Slots) + Tolerance;
    }

    private const float Tolerance = 1e-4f;

    /// <summary>The value of the saved prefill on the instance, from 0 for none to 1; 1 if unknown.</summary>
    private static float Saving(in SchedulingRequest request, Candidates candidates, int at)
    {
        var here = request.Model.Usable[candidates.Index[at]].State.SecondsPerByte;
        var perByte = here > 0 ? here : request.Model.State.Prefill.SecondsPerByte;
        if (perByte <= 0 || request.Bytes <= 0)
            return 1;
        var seconds = (float)Math.Min(perByte * request.Bytes, 1e6);
        return seconds / (seconds + HalfSaving);
    }

    private static Vector<uint> Rank(Vector<uint> seeds, uint low, uint high) =>
        Mix(Mix(seeds ^ new Vector<uint>(low)) ^ new Vector<uint>(high));

    /// <summary>The finalizer of MurmurHash3 (Appleby): every input bit affects every output bit.</summary>
    private static Vector<uint> Mix(Vector<uint> x)
    {
        x = (x ^ (x >> 16)) * 0x85EBCA6B;
        x = (x ^ (x >> 13)) * 0xC2B2AE35;
        return x ^ (x >> 16);
    }
}
