using OllamaBridge.Gateway.Activation;
using StackExchange.Redis;

namespace OllamaBridge.Gateway.State;

/// <summary>Stores the use of tiers in Redis, with times by its clock. Keys: <c>docs/state/keys.md</c>.</summary>
internal sealed class RedisTierStore(SharedStore store) : ITierStore
{
    // KEYS: use, drained. ARGV: tier, milliseconds since its last use. A tier that is unknown (a new store, or lost data) counts as used now.
    private const string Touch = """
        local clock = redis.call('TIME')
        local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
        local known = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '') or now
        local used = math.min(now, math.max(known, now - tonumber(ARGV[2])))
        redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', used))
        redis.call('PEXPIRE', KEYS[1], 2592000000)
        return {string.format('%.0f', now - used), redis.call('HGET', KEYS[2], ARGV[1]) or ''}
        """;

    private readonly RedisKey[] _keys = [store.Key("{tiers}:use"), store.Key("{tiers}:drained")];

    public async ValueTask<TierMark?> TouchAsync(string tier, TimeSpan ago, CancellationToken cancellationToken)
    {
        RedisValue[] arguments = [tier, (long)ago.TotalMilliseconds];
        var (answered, result) = await store.TryPatientlyAsync(redis => redis.ScriptEvaluateAsync(Touch, _keys, arguments), cancellationToken);
        if (!answered || result is not { IsNull: false } || (string[]?)result is not [var unused, var drained])
            return null;
        return long.TryParse(unused, out var milliseconds)
            ? new TierMark(TimeSpan.FromMilliseconds(milliseconds), drained.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            : null;
    }

    public async ValueTask<bool> NoteDrainedAsync(string tier, IReadOnlyCollection<string> instances, CancellationToken cancellationToken)
    {
        // Instance names of tiers contain no spaces.
        var (answered, _) = await store.TryPatientlyAsync(
            async redis => instances.Count == 0
                ? await redis.HashDeleteAsync(_keys[1], tier)
                : await redis.HashSetAsync(_keys[1], tier, string.Join(' ', instances)),
            cancellationToken);
        return answered;
    }
}
