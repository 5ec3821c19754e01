namespace OllamaBridge.Testing;

/// <summary>Polls for effects of other threads.</summary>
internal static class Poll
{
    private static readonly TimeSpan Patience = TestTimeouts.Guard;

    public static Task UntilAsync(Func<bool> condition) => Eventually.BecomesAsync(condition, Patience);
}
