using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Queueing;

internal sealed class QueueWait
{
    public Priority Priority { get; init; }

    /// <summary>The end of the wait for a slot, in <see cref="TimeProvider.GetTimestamp"/>'s ticks; 0 for the general limit.</summary>
    public long Deadline { get; init; }

    /// <summary>The end of the wait for another bridge whose queue is full, in the same ticks; 0 for no wait.</summary>
    public long RoomUntil { get; init; }

    public QueueTicket? Ticket { get; init; }

    /// <summary>Its place in the queue; the default until it requests an instance.</summary>
    public QueueKey Queue { get; set; }

    public TokenCharge Charge { get; set; }

    /// <summary>Settles the tenant's charge, once. See <see cref="TokenCharge.Settle"/>.</summary>
    public void SettleCharge(bool answered, long inputTokens, long outputTokens)
    {
        var charge = Charge;
        Charge = default;
        charge.Settle(answered, inputTokens, outputTokens);
    }
}
