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
    public void AddScores(in SchedulingRequest request, Span<Candidate> candidates, float weight)
    {
        if (request.Affinity == 0)
            return;
        var best = 0;
        ulong highest = 0;
        for (var i = 0; i < candidates.Length; i++)
        {
            var rank = Mix(request.Affinity ^ candidates[i].Seed);
            if (rank < highest)
                continue;
            highest = rank;
            best = i;
        }

        candidates[best].Sum += weight;
    }

    /// <summary>The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): every input bit reaches every output bit.</summary>
    private static ulong Mix(ulong x)
    {
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }
}
