using System.Text.Json;
using OllamaBridge.Gateway.Tenants;
using StackExchange.Redis;

namespace OllamaBridge.Gateway.State;

/// <summary>Tenants in Redis: a hash of records and a version, changed together; of keys only the verifiers. Keys: <c>docs/state/tenants.md</c>.</summary>
internal sealed class RedisTenantStore(SharedStore store, ILogger<RedisTenantStore> logger) : ITenantStore
{
    // KEYS: version, records. ARGV: the known version.
    private const string ReadNews = """
        local version = redis.call('GET', KEYS[1]) or ''
        if version == ARGV[1] then return false end
        return {version, redis.call('HGETALL', KEYS[2])}
        """;

    // KEYS: version, records. ARGV: the known version, the new version, tenant, its record or an empty string. A repetition after a lost response has no
    // effect.
    private const string Replace = """
        local version = redis.call('GET', KEYS[1]) or ''
        if version == ARGV[2] then return 1 end
        if version ~= ARGV[1] then return 0 end
        if ARGV[4] == '' then redis.call('HDEL', KEYS[2], ARGV[3]) else redis.call('HSET', KEYS[2], ARGV[3], ARGV[4]) end
        redis.call('SET', KEYS[1], ARGV[2])
        return 1
        """;

    // Not a valid version.
    private const string Unknown = "-";
    private const int Attempts = 2;
    private readonly RedisKey[] _keys = [store.Key("{tenants}:version"), store.Key("{tenants}:records")];

    public bool IsShared => true;

    public async ValueTask<TenantReading> ReadAsync(TenantVersion? known, CancellationToken cancellationToken)
    {
        RedisValue[] arguments = [known?.Text ?? Unknown];
        var (answered, result) = await store.TryPatientlyAsync(redis => redis.ScriptEvaluateAsync(ReadNews, _keys, arguments), cancellationToken);
        if (!answered || result is null or { IsNull: true })
            return new TenantReading(answered, null);
        var parts = (RedisResult[])result!;
        var flat = (RedisValue[])parts[1]!;
        var tenants = new List<TenantRecord>(flat.Length / 2);
        for (var i = 0; i + 1 < flat.Length; i += 2)
            if (Read(flat[i].ToString(), flat[i + 1]) is { } tenant)
                tenants.Add(tenant);
            else
                StateLog.TenantUnreadable(logger, flat[i].ToString());
        return new TenantReading(true, new TenantList(new TenantVersion(((string?)parts[0]) ?? ""), tenants));
    }

    public async ValueTask<TenantWriting> ReplaceAsync(TenantVersion known, string id, TenantRecord? tenant, CancellationToken cancellationToken)
    {
        var next = known.Next();
        RedisValue[] arguments =
            [known.Text, next.Text, id, tenant is null ? "" : JsonSerializer.SerializeToUtf8Bytes(tenant, StateJson.Default.TenantRecord)];
        for (var attempt = 1; attempt <= Attempts; attempt++)
        {
            var (answered, result) = await store.TryPatientlyAsync(redis => redis.ScriptEvaluateAsync(Replace, _keys, arguments), cancellationToken);
            if (answered)
                return (int)result! == 1 ? new TenantWriting(WriteOutcome.Done, next) : new TenantWriting(WriteOutcome.Conflict);
        }

        return new TenantWriting(WriteOutcome.NoAnswer);
    }

    /// <returns>Null if the record is invalid or belongs to another tenant.</returns>
    private static TenantRecord? Read(string id, RedisValue json)
    {
        try
        {
            var tenant = JsonSerializer.Deserialize(((ReadOnlyMemory<byte>)json).Span, StateJson.Default.TenantRecord);
            return tenant?.Id == id && TenantsOptionsValidator.IsSound(tenant) ? tenant : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
