namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>
/// The order of measurement. Every round contains all targets and starts with another one, so that changes of the machine's load affect all targets
/// equally.
/// </summary>
internal static class Turns
{
    public static IEnumerable<int> Of(int targets, int rounds)
    {
        for (var round = 0; round < rounds; round++)
            for (var turn = 0; turn < targets; turn++)
                yield return (round + turn) % targets;
    }
}
