using OllamaBridge.Gateway.Activation;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.State;

/// <summary>Stores the use of tiers in memory, for one gateway or, in tests, for several gateways in one process.</summary>
internal sealed class MemoryTierStore(TimeProvider time) : ITierStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Moment> _used = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string[]> _drained = new(StringComparer.Ordinal);

    public ValueTask<TierMark?> TouchAsync(string tier, TimeSpan ago, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var now = time.GetMoment();
            var used = _used.TryGetValue(tier, out var known) && known > now - ago ? known : now - ago;
            _used[tier] = used;
            return ValueTask.FromResult<TierMark?>(new TierMark(now - used, _drained.GetValueOrDefault(tier, [])));
        }
    }

    public ValueTask<bool> NoteDrainedAsync(string tier, IReadOnlyCollection<string> instances, CancellationToken cancellationToken)
    {
        lock (_lock)
            _drained[tier] = [.. instances];
        return ValueTask.FromResult(true);
    }
}
