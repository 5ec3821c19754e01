using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;

namespace OllamaBridge.Gateway.FunctionalTests.Queueing;

/// <summary>Time that passes only while all clients wait for a server that serves them, so that this machine's speed has no effect.</summary>
/// <param name="service">The service time of a request.</param>
internal sealed class ServiceTime(TimeSpan service) : IDisposable
{
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(10);
    // After this much real time without a change, a request waits inside the bridge, and such a wait counts as time.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private readonly SemaphoreSlim _changed = new(0);
    private int _clients;
    private int _serving;

    /// <summary>The clock of the servers and the bridge.</summary>
    public FakeTimeProvider Clock { get; } = new();

    public async Task ServeAsync(ScriptedRequest request)
    {
        var done = Task.Delay(service, Clock);
        Interlocked.Increment(ref _serving);
        _changed.Release();
        // Synchronously, so that the request has left before the clock is read again.
        await done.ContinueWith(_ => Interlocked.Decrement(ref _serving), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>Runs a client that always waits for a response.</summary>
    public async Task CallAsync(Func<Task> client)
    {
        Interlocked.Increment(ref _clients);
        try
        {
            await Task.Run(client);
        }
        finally
        {
            Interlocked.Decrement(ref _clients);
            _changed.Release();
        }
    }

    /// <summary>Advances time until a task has ended.</summary>
    public async Task RunUntilAsync(Task task, CancellationToken cancellationToken)
    {
        while (!task.IsCompleted)
        {
            while (!task.IsCompleted && Volatile.Read(ref _serving) < Volatile.Read(ref _clients))
                if (!await _changed.WaitAsync(Patience, cancellationToken))
                    break;
            if (Volatile.Read(ref _clients) == 0 && !task.IsCompleted)
                await Task.WhenAny(task, Task.Delay(Step, cancellationToken));
            Clock.Advance(Step);
        }

        await task;
    }

    public void Dispose() => _changed.Dispose();
}
