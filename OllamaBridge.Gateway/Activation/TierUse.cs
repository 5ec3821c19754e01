using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Activation;

/// <summary>When a tier was last used: here, and as gateways tell each other in the background.</summary>
internal sealed class TierUse(Tier tier, ITierStore store, TimeProvider time)
{
    private static readonly TimeSpan LongestInterval = TimeSpan.FromSeconds(5);
    private readonly TimeSpan _interval = LongestInterval < tier.Options.IdleTime / 4 ? LongestInterval : tier.Options.IdleTime / 4;
    // Whoever has just started knows of no use, and takes it that there was some.
    private long _usedAt = time.GetTimestamp();
    private long _toldUse;
    private long _toldAt;
    private Task _telling = Task.CompletedTask;

    /// <summary>How long ago it was last used here.</summary>
    public TimeSpan Unused => time.GetElapsedTime(Volatile.Read(ref _usedAt));

    /// <summary>The instances that the bridge drains itself, as last heard.</summary>
    public IReadOnlyList<string> Drained { get; private set; } = [];

    /// <summary>It is used now.</summary>
    public void Note() => Volatile.Write(ref _usedAt, time.GetTimestamp());

    /// <summary>Takes in what is to be seen of its use.</summary>
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

    /// <summary>Tells the others, where there is something to tell. Nobody waits for it.</summary>
    /// <param name="isUrgent">Whether also where they were told something just now.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public void Tell(bool isUrgent, CancellationToken cancellationToken)
    {
        if (!_telling.IsCompleted || _toldUse == _usedAt || (!isUrgent && _toldAt != 0 && time.GetElapsedTime(_toldAt) < _interval))
            return;
        _telling = AskAsync(cancellationToken).AsTask();
    }

    /// <summary>Tells the others and hears how long ago anybody used it; null where nobody answers.</summary>
    public async ValueTask<TimeSpan?> AskAsync(CancellationToken cancellationToken)
    {
        (_toldUse, _toldAt) = (_usedAt, time.GetTimestamp());
        if (await store.TouchAsync(tier.Name, Unused, cancellationToken) is not { } mark)
            return null;
        Drained = mark.Drained;
        return mark.Unused;
    }
}
