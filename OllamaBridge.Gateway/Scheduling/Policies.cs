namespace OllamaBridge.Gateway.Scheduling;

/// <summary>Says which instances may answer. Pure: neither waits, logs nor reads a clock.</summary>
internal interface IInstanceFilter
{
    /// <summary>The name under which telemetry knows it.</summary>
    string Name { get; }

    /// <summary>Keeps the candidates that may answer, in their order.</summary>
    /// <param name="request">The request and the moment.</param>
    /// <param name="candidates">The candidates.</param>
    void Keep(in SchedulingRequest request, Candidates candidates);
}

/// <summary>Says how well an instance would answer, from 0 to 1. Pure.</summary>
internal interface IInstanceScorer
{
    /// <summary>The name under which configuration gives it a weight.</summary>
    string Name { get; }

    /// <summary>Adds <paramref name="weight"/> times its score to each candidate's sum.</summary>
    void AddScores(in SchedulingRequest request, Candidates candidates, float weight);
}

/// <summary>Chooses among scored candidates. Pure but for the chance that it is handed.</summary>
internal interface IInstancePicker
{
    /// <summary>The name by which configuration chooses it.</summary>
    string Name { get; }

    /// <summary>Chooses one.</summary>
    /// <param name="sums">The candidates' weighted sums; never empty.</param>
    /// <param name="random">The source of chance.</param>
    /// <returns>The position of the chosen.</returns>
    int Pick(ReadOnlySpan<float> sums, Random random);
}
