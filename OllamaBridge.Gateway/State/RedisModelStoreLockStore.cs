using OllamaBridge.Gateway.Catalog;
using StackExchange.Redis;

namespace OllamaBridge.Gateway.State;

/// <summary>Stores the exclusive right to change models in Redis, as an expiring key with its owner. Keys: <c>docs/state/keys.md</c>.</summary>
internal sealed class RedisModelStoreLockStore(SharedStore store) : IModelStoreLockStore
{
    // Like SET with NX, but the owner can set it again: after a lost response, the owner must not be locked out.
    private const string Hold = """
        local writer = redis.call('GET', KEYS[1])
        if writer and writer ~= ARGV[1] then return 0 end
        redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
        return 1
        """;

    private const string Release = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

    private readonly RedisKey[] _keys = [store.Key("{models}:writer")];

    public async ValueTask<ModelStoreClaim> HoldAsync(string writer, TimeSpan lifetime, CancellationToken cancellationToken)
    {
        RedisValue[] arguments = [writer, (long)lifetime.TotalMilliseconds];
        var (answered, result) = await store.TryPatientlyAsync(redis => redis.ScriptEvaluateAsync(Hold, _keys, arguments), cancellationToken);
        return !answered || result is null ? ModelStoreClaim.Unknown : (long)result == 1 ? ModelStoreClaim.Held : ModelStoreClaim.HeldElsewhere;
    }

    public async ValueTask ReleaseAsync(string writer, CancellationToken cancellationToken) =>
        await store.TryPatientlyAsync(redis => redis.ScriptEvaluateAsync(Release, _keys, [writer]), cancellationToken);
}
