namespace OllamaBridge.Gateway.Queueing;

/// <summary>Lets <see cref="RequestQueue.Locate"/> find a waiting request.</summary>
internal sealed class QueueTicket
{
    /// <summary>The waiting request; null if it does not wait. Set under the queue's lock.</summary>
    internal Waiter? Waiter { get; set; }
}

/// <summary>The place of a waiting request: its approximate position, from 1, and its estimated remaining wait, null if unknown.</summary>
internal readonly record struct QueuePlace(int Position, TimeSpan? EstimatedWait);
