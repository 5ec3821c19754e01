namespace OllamaBridge.Gateway.Scheduling;

/// <summary>Removes instances that may not serve a request. Pure: doesn't wait, log or read a clock.</summary>
internal interface IInstanceFilter
{
    string Name { get; }

    /// <summary>Keeps the candidates that may serve the request, in their order.</summary>
    void Keep(in SchedulingRequest request, Candidates candidates);
}

/// <summary>Scores instances for a request, from 0 to 1. Pure.</summary>
internal interface IInstanceScorer
{
    /// <summary>The name in the configuration of weights.</summary>
    string Name { get; }

    /// <summary>Adds <paramref name="weight"/> times the score to each candidate's sum.</summary>
    void AddScores(in SchedulingRequest request, Candidates candidates, float weight);
}

/// <summary>Picks one of the scored candidates. Pure except for the random source.</summary>
internal interface IInstancePicker
{
    string Name { get; }

    /// <summary>Returns the position of a candidate in <paramref name="sums"/>, which are weighted and never empty.</summary>
    int Pick(ReadOnlySpan<float> sums, Random random);
}
