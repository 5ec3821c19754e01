using System.Numerics;
using System.Numerics.Tensors;

namespace OllamaBridge.Gateway.Scheduling.Scorers;

/// <summary>Sends a conversation back to the instance whose prompt cache knows its beginning: 1 for that one, 0 for others.</summary>
/// <remarks>
/// Rendezvous hashing (Thaler and Ravishankar, 1998): every bridge finds the same instance without a table, and an instance
/// that comes or goes moves only its own share of conversations.
/// </remarks>
internal sealed class AffinityScorer : IInstanceScorer
{
    /// <inheritdoc/>
    public string Name => "affinity";

    /// <inheritdoc/>
    public void AddScores(in SchedulingRequest request, Candidates candidates, float weight)
    {
        if (request.Affinity == 0)
            return;
        var seeds = candidates.Seed;
        var ranks = candidates.Ranks;
        var (low, high) = ((uint)request.Affinity, (uint)(request.Affinity >> 32));
        var i = 0;
        for (; i <= seeds.Length - Vector<uint>.Count; i += Vector<uint>.Count)
            Rank(new Vector<uint>(seeds[i..]), low, high).CopyTo(ranks[i..]);
        for (; i < seeds.Length; i++)
            ranks[i] = Rank(new Vector<uint>(seeds[i]), low, high)[0];
        candidates.Sum[TensorPrimitives.IndexOfMax<uint>(ranks)] += weight;
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
