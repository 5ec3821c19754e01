namespace OllamaBridge.Testing;

/// <summary>Waits for a condition without an event by repeated checks, and fails after a time limit.</summary>
internal static class Eventually
{
    public static Task BecomesAsync(Func<bool> condition, TimeSpan within) => BecomesAsync(() => Task.FromResult(condition()), within);

    public static async Task BecomesAsync(Func<Task<bool>> condition, TimeSpan within)
    {
        using var end = new CancellationTokenSource(within);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        while (!await condition())
            Assert.True(!end.IsCancellationRequested && await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken), $"the condition did not hold within {within}");
    }
}
