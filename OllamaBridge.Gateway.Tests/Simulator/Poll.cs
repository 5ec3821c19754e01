namespace OllamaBridge.Gateway.Tests.Simulator;

/// <summary>Waits for what other threads do.</summary>
internal static class Poll
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public static async Task UntilAsync(Func<bool> condition)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        timeout.CancelAfter(Patience);
        while (!condition())
            await Task.Delay(1, timeout.Token);
    }
}
