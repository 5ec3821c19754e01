namespace OllamaBridge.Testing;

/// <summary>Time limits of waits for events.</summary>
internal static class TestTimeouts
{
    /// <summary>Ends a wait for an event that never comes. No test asserts a speed with it, so it is far longer than any wait on a loaded machine.</summary>
    public static readonly TimeSpan Guard = TimeSpan.FromSeconds(120);

    /// <summary>A token that is canceled when the test ends or after <see cref="Guard"/>.</summary>
    public static CancellationTokenSource StartGuard()
    {
        var guard = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        guard.CancelAfter(Guard);
        return guard;
    }
}
