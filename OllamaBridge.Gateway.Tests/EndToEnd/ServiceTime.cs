using Microsoft.Extensions.Time.Testing;

namespace OllamaBridge.Gateway.Tests.EndToEnd;

/// <summary>
/// Time that passes only while all clients wait for a server that serves them. Work of this machine takes no time.
/// </summary>
/// <param name="service">How long a server takes for a request.</param>
internal sealed class ServiceTime(TimeSpan service) : IDisposable
{
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(10);
    // After so much real time without a change the bridge makes a request wait for something, and that is time.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private readonly SemaphoreSlim _changed = new(0);
    private int _clients;
    private int _serving;

    /// <summary>The clock of servers and bridge.</summary>
    public FakeTimeProvider Clock { get; } = new();

    /// <summary>A server serves a request.</summary>
    public async Task ServeAsync(ScriptedRequest request)
    {
        var done = Task.Delay(service, Clock);
        Interlocked.Increment(ref _serving);
        _changed.Release();
        // Synchronously: the request has left before the clock is read again.
        await done.ContinueWith(_ => Interlocked.Decrement(ref _serving), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>A client that always waits for an answer, until it ends.</summary>
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

    /// <summary>Lets time pass until a task has ended.</summary>
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
