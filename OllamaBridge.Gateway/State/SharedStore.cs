using StackExchange.Redis;

namespace OllamaBridge.Gateway.State;

/// <summary>One store's part of the shared state: asks Redis, and knows whether that works.</summary>
/// <param name="connection">The connection.</param>
/// <param name="name">Its name, a label of metrics.</param>
/// <param name="onLoss">What the gateway does without it, for <c>/health</c>.</param>
internal sealed class SharedStore(StateConnection connection, string name, string onLoss)
{
    // For what no request waits for, and may be long.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private int _refused;

    /// <summary>Its name, a label of metrics.</summary>
    public string Name => name;

    /// <summary>What the gateway does without it, for <c>/health</c>.</summary>
    public string OnLoss => onLoss;

    /// <summary>Whether it works: Redis answers, and has not refused what it was last asked for this store.</summary>
    public bool IsHealthy => connection.IsHealthy && Volatile.Read(ref _refused) == 0;

    /// <summary>A key of ours.</summary>
    public RedisKey Key(string key) => connection.Key(key);

    /// <summary>Asks Redis, for no longer than <see cref="StateOptions.OperationTimeout"/>; while it is lost, not at all.</summary>
    /// <param name="operation">What to ask.</param>
    /// <param name="cancellationToken">Ends the wait early.</param>
    /// <returns>Whether there was an answer, and the answer. It never throws because of Redis.</returns>
    public ValueTask<(bool Answered, T? Value)> TryAsync<T>(Func<IDatabase, Task<T>> operation, CancellationToken cancellationToken) =>
        connection.TryAsync(this, operation, null, cancellationToken);

    /// <summary>Asks Redis in the background, or for an operator: for no longer than two seconds; while nobody is there, not at all.</summary>
    /// <inheritdoc cref="TryAsync{T}"/>
    public ValueTask<(bool Answered, T? Value)> TryPatientlyAsync<T>(Func<IDatabase, Task<T>> operation, CancellationToken cancellationToken) =>
        connection.TryAsync(this, operation, Patience, cancellationToken);

    /// <summary>Redis did what it was asked.</summary>
    internal void NoteAccepted()
    {
        if (Volatile.Read(ref _refused) != 0)
            Volatile.Write(ref _refused, 0);
    }

    /// <summary>Redis refused what it was asked.</summary>
    /// <returns>Whether that is new.</returns>
    internal bool NoteRefused() => Interlocked.Exchange(ref _refused, 1) == 0;
}
