using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Queueing;

namespace OllamaBridge.Gateway.Activation;

/// <summary>Tracks when a tier was last used, by this gateway and, through the store, by others.</summary>
internal sealed class TierUse(Tier tier, ITierStore store, TimeProvider time)
{
    private static readonly TimeSpan LongestInterval = TimeSpan.FromSeconds(5);
    private readonly TimeSpan _interval = LongestInterval < tier.Options.IdleTime / 4 ? LongestInterval : tier.Options.IdleTime / 4;
    // The use before the start of this gateway is unknown, so the tier counts as used at the start.
    private long _usedAt = time.GetTimestamp();
    private long _publishedUse;
    private long _publishedAt;
    private Task _publishing = Task.CompletedTask;

    public TimeSpan Unused => time.GetElapsedTime(Volatile.Read(ref _usedAt));

    public IReadOnlyList<string> Drained { get; private set; } = [];

    public void Note() => Volatile.Write(ref _usedAt, time.GetTimestamp());

    /// <summary>Records use by waiting requests, by busy slots and by the last request of each instance.</summary>
    public void Note(TierDemand demand, IReadOnlyList<InstanceView> instances)
    {
        if (demand.Waiting > 0)
            Note();
        foreach (var view in instances)
            if (view.Instance is { SlotsUsed: > 0 } or { UsedElsewhere: > 0 })
                Note();
            else if (view.Instance.LastUsed > _usedAt)
                Volatile.Write(ref _usedAt, view.Instance.LastUsed);
    }

    /// <summary>Publishes a newer last use in the background, at most once per interval unless urgent.</summary>
    public void Publish(bool isUrgent, CancellationToken cancellationToken)
    {
        if (!_publishing.IsCompleted || _publishedUse == _usedAt || (!isUrgent && _publishedAt != 0 && time.GetElapsedTime(_publishedAt) < _interval))
            return;
        _publishing = ExchangeAsync(cancellationToken).AsTask();
    }

    /// <summary>Publishes the last use and returns the time since any gateway used the tier; null if the store is unavailable.</summary>
    public async ValueTask<TimeSpan?> ExchangeAsync(CancellationToken cancellationToken)
    {
        (_publishedUse, _publishedAt) = (_usedAt, time.GetTimestamp());
        if (await store.TouchAsync(tier.Name, Unused, cancellationToken) is not { } mark)
            return null;
        Drained = mark.Drained;
        return mark.Unused;
    }
}
