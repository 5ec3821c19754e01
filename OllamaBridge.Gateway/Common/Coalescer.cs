namespace OllamaBridge.Gateway.Common;

/// <summary>Shares runs of one operation among callers: each caller gets a run that began after its call, and no two runs overlap. Thread-safe.</summary>
/// <param name="run">The operation. Must not throw.</param>
internal sealed class Coalescer(Func<Task> run)
{
    private readonly Lock _lock = new();
    private Task _current = Task.CompletedTask;
    private Task? _next;

    public Task RunAsync()
    {
        lock (_lock)
        {
            if (_current.IsCompleted)
                return _current = run();
            return _next ??= RunNextAsync(_current);
        }
    }

    private async Task RunNextAsync(Task before)
    {
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Task next;
        lock (_lock)
        {
            _next = null;
            next = _current = run();
        }

        await next;
    }
}
