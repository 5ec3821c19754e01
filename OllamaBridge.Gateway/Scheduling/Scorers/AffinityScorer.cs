using System.Numerics;
using System.Numerics.Tensors;

namespace OllamaBridge.Gateway.Scheduling.Scorers;

/// <summary>
/// Sends a conversation back to the instance whose prompt cache has its beginning, as far as that instance's load allows: the score for that one, 0 for
/// the others. The score is the greater the more prefill it saves.
/// </summary>
/// <remarks>
/// The instance of the last request if it is known, else rendezvous hashing (Thaler and Ravishankar, 1998): every bridge finds the same instance without
/// a table, and an instance that comes or goes moves only its own share of conversations. Loads are bounded as in consistent hashing with bounded loads
/// (Mirrokni, Thorup and Zadimoghaddam, 2016): an instance that has more than <see cref="Factor"/> times the mean and one request is passed over, so that
/// requests with one beginning do not pile up there.
/// </remarks>
internal sealed class AffinityScorer : IInstanceScorer
{
    /// <summary>How much more than the mean an instance may have in use.</summary>
    public const float Factor = 1.25f;

    /// <summary>Seconds of prefill that count half.</summary>
    public const float HalfSaving = 0.1f;

    // Where no prefill is saved it still decides between equals, and outweighs a slightly slower first token.
    private const float LeastShare = 0.5f;
    // An instance below the mean is never passed over; so many tries find one of them but for a tiny share of decisions.
    private const int MaxTries = 32;

    /// <inheritdoc/>
    public string Name => "affinity";

    /// <inheritdoc/>
    public void AddScores(in SchedulingRequest request, Candidates candidates, float weight)
    {
        if (request.Affinity == 0)
            return;
        var mean = 1 - (TensorPrimitives.Sum(candidates.Free) / candidates.Count);
        var at = request.Place is { } place ? candidates.Seed.IndexOf(place) : -1;
        // Where it was last the whole beginning is in the cache, which is worth up to one request more.
        if (at < 0 || !IsWithinBound(request, candidates, at, mean, 1 + Saving(request, candidates, at)))
            at = Hash(request, candidates, mean);
        if (at >= 0)
            candidates.Sum[at] += weight * (LeastShare + ((1 - LeastShare) * Saving(request, candidates, at)));
    }

    /// <summary>The first in the conversation's own order of instances whose load is within the bound; -1 for none.</summary>
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

    /// <summary>Whether an instance has so little in use that a request may go there for its cache alone. In shares of slots, so that a larger instance may have more.</summary>
    private static bool IsWithinBound(in SchedulingRequest request, Candidates candidates, int at, float mean, float more)
    {
        // One that takes requests slowly, or for other gateways, has no slot free and counts as full.
        var instance = request.Model.Usable[candidates.Index[at]].Instance;
        return 1 - candidates.Free[at] <= (Factor * mean) + (more / instance.Slots) + Tolerance;
    }

    private const float Tolerance = 1e-4f;

    /// <summary>How much prefill is saved there, from 0 for nothing to 1; 1 where it is not known.</summary>
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

    /// <summary>The finaliser of MurmurHash3 (Appleby): every input bit reaches every output bit.</summary>
    private static Vector<uint> Mix(Vector<uint> x)
    {
        x = (x ^ (x >> 16)) * 0x85EBCA6B;
        x = (x ^ (x >> 13)) * 0xC2B2AE35;
        return x ^ (x >> 16);
    }
}
