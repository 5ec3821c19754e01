namespace OllamaBridge.Testing;

/// <summary>Polls for effects of other threads.</summary>
internal static class Poll
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public static Task UntilAsync(Func<bool> condition) => Eventually.BecomesAsync(condition, Patience);
}
