using StackExchange.Redis;

namespace OllamaBridge.Gateway.State;

/// <summary>The Redis access of one store, with its own health.</summary>
internal sealed class SharedStore(StateConnection connection, string name, string onLoss)
{
    // Time limit of operations that no request waits for.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private int _refused;

    public string Name => name;

    /// <summary>Description of the behavior while the store is unavailable, for <c>/health</c>.</summary>
    public string OnLoss => onLoss;

    /// <summary>Whether Redis responds and accepted the last operation of this store.</summary>
    public bool IsHealthy => connection.IsHealthy && Volatile.Read(ref _refused) == 0;

    public TimeSpan Timeout => connection.OperationTimeout;

    public RedisKey Key(string key) => connection.Key(key);

    /// <summary>Runs a short operation within <see cref="StateOptions.OperationTimeout"/>. Fails at once unless Redis is healthy.</summary>
    /// <returns>Whether Redis responded, and the result. Redis errors never throw. After a cancellation, Redis may still execute the operation.</returns>
    public ValueTask<(bool Answered, T? Value)> TryAsync<T>(Func<IDatabase, Task<T>> operation, CancellationToken cancellationToken) =>
        connection.TryAsync(this, operation, null, cancellationToken);

    /// <summary>As <see cref="TryAsync{T}"/>, but within two seconds: for the background and operators. Fails at once without a connection.</summary>
    public ValueTask<(bool Answered, T? Value)> TryPatientlyAsync<T>(Func<IDatabase, Task<T>> operation, CancellationToken cancellationToken) =>
        connection.TryAsync(this, operation, Patience, cancellationToken);

    internal void NoteAccepted()
    {
        if (Volatile.Read(ref _refused) != 0)
            Volatile.Write(ref _refused, 0);
    }

    /// <returns>True for the first refusal after an accepted operation.</returns>
    internal bool NoteRefused() => Interlocked.Exchange(ref _refused, 1) == 0;
}
