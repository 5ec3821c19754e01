namespace OllamaBridge.Gateway.Scheduling;

/// <summary>Says which instances may answer. Pure: neither waits, logs nor reads a clock.</summary>
internal interface IInstanceFilter
{
    /// <summary>The name under which telemetry knows it.</summary>
    string Name { get; }

    /// <summary>Keeps the candidates that may answer, in place and in order.</summary>
    /// <param name="request">The request and the moment.</param>
    /// <param name="candidates">The candidates; those kept move to the front.</param>
    /// <returns>How many were kept.</returns>
    int Keep(in SchedulingRequest request, Span<Candidate> candidates);
}

/// <summary>Says how well an instance would answer, from 0 to 1. Pure.</summary>
internal interface IInstanceScorer
{
    /// <summary>The name under which configuration gives it a weight.</summary>
    string Name { get; }

    /// <summary>Adds <paramref name="weight"/> times its score to each candidate's sum.</summary>
    void AddScores(in SchedulingRequest request, Span<Candidate> candidates, float weight);
}

/// <summary>Chooses among scored candidates. Pure but for the chance that it is handed.</summary>
internal interface IInstancePicker
{
    /// <summary>The name by which configuration chooses it.</summary>
    string Name { get; }

    /// <summary>Chooses one.</summary>
    /// <param name="candidates">The scored candidates; never empty.</param>
    /// <param name="random">The source of chance.</param>
    /// <returns>The position of the chosen.</returns>
    int Pick(ReadOnlySpan<Candidate> candidates, Random random);
}
