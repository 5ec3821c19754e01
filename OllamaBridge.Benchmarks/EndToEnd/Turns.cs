namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>Who is measured when: in every round all, each round begun by another, so that whatever the machine does hits all alike.</summary>
internal static class Turns
{
    /// <summary>The targets' indexes in order.</summary>
    public static IEnumerable<int> Of(int targets, int rounds)
    {
        for (var round = 0; round < rounds; round++)
            for (var turn = 0; turn < targets; turn++)
                yield return (round + turn) % targets;
    }
}
