namespace OllamaBridge.Gateway.Queueing;

/// <summary>Lets <see cref="RequestQueue.Locate"/> find a waiting request.</summary>
internal sealed class QueueTicket
{
    /// <summary>The waiting request; null if it does not wait. Set under the queue's lock.</summary>
    internal Waiter? Waiter { get; set; }
}

/// <summary>The place of a waiting request in the queue.</summary>
/// <param name="Position">The approximate position, from 1.</param>
/// <param name="EstimatedWait">The estimated remaining wait; null if unknown.</param>
internal readonly record struct QueuePlace(int Position, TimeSpan? EstimatedWait);
