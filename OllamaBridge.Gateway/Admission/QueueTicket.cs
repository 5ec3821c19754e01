namespace OllamaBridge.Gateway.Admission;

/// <summary>With it a request that waits can be found again: <see cref="RequestQueue.Locate"/>.</summary>
internal sealed class QueueTicket
{
    /// <summary>Where it waits; null where it does not. Set under the queue's lock.</summary>
    internal Waiter? Waiter { get; set; }
}

/// <summary>Where a request that waits stands.</summary>
/// <param name="Position">About the how-manyth it is, from 1.</param>
/// <param name="EstimatedWait">About how long it waits yet; null where unknown.</param>
internal readonly record struct QueuePlace(int Position, TimeSpan? EstimatedWait);
