using System.Globalization;
using System.Text.Json;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Common;
using StackExchange.Redis;

namespace OllamaBridge.Gateway.State;

/// <summary>Reads and writes the ledger in Redis: records in a stream, sums in a hash per day. Keys: <c>docs/state/ledger.md</c>.</summary>
internal sealed class RedisLedgerStore(SharedStore store, LedgerOptions options, TimeProvider time)
{
    // KEYS: the gateway's last batch number, records, sums of each day. ARGV: batch number, its lifetime in seconds, maximum number of records, number of
    // new records, those records; then for each day its expiry (Unix time in seconds), number of sums, those sums. A batch that is already written is
    // skipped. Garnet has no streams, so there the records are a list.
    private const string WriteBatch = """
        local last = redis.call('GET', KEYS[1])
        if last and tonumber(last) >= tonumber(ARGV[1]) then return 0 end
        redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
        local count, isList, ask, records = tonumber(ARGV[4]), false, redis.pcall, KEYS[2]
        local add = function(record) return ask('XADD', records, '*', 'r', record) end
        local refused = function(answer) return type(answer) == 'table' and answer.err end
        local answer = add(ARGV[5])
        if refused(answer) and string.find(answer.err, 'nknown') then
          isList = true
          add = function(record) return ask('LPUSH', records, record) end
          answer = add(ARGV[5])
        end
        if refused(answer) then
          if last then redis.call('SET', KEYS[1], last, 'EX', ARGV[2]) else redis.call('DEL', KEYS[1]) end
          return redis.error_reply(answer.err)
        end
        for i = 2, count do add(ARGV[4 + i]) end
        if isList then redis.call('LTRIM', records, 0, tonumber(ARGV[3]) - 1) else redis.call('XTRIM', records, 'MAXLEN', '~', ARGV[3]) end
        local at = 5 + count
        for day = 3, #KEYS do
          local over, sums = ARGV[at], tonumber(ARGV[at + 1])
          at = at + 2
          for i = 1, sums do
            redis.call('HINCRBY', KEYS[day], 'requests ' .. ARGV[at], ARGV[at + 1])
            redis.call('HINCRBY', KEYS[day], 'succeeded ' .. ARGV[at], ARGV[at + 2])
            redis.call('HINCRBY', KEYS[day], 'input ' .. ARGV[at], ARGV[at + 3])
            redis.call('HINCRBY', KEYS[day], 'output ' .. ARGV[at], ARGV[at + 4])
            at = at + 5
          end
          redis.call('EXPIREAT', KEYS[day], over)
        end
        return 1
        """;

    // KEYS: records. ARGV: maximum number of records.
    private const string ReadLatest = """
        local entries = redis.pcall('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[1])
        if type(entries) == 'table' and entries.err then
          if not string.find(entries.err, 'nknown') then return redis.error_reply(entries.err) end
          return redis.call('LRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1)
        end
        local records = {}
        for i = 1, #entries do records[i] = entries[i][2][2] end
        return records
        """;

    // Longer than any expected outage of Redis between a write without a response and the retry of the same batch.
    private static readonly TimeSpan Memory = TimeSpan.FromDays(7);
    private readonly RedisKey _batch = store.Key($"{{ledger}}:batch:{Guid.NewGuid():N}");
    private readonly RedisKey _records = store.Key("{ledger}:records");

    public bool IsHealthy => store.IsHealthy;

    /// <summary>Idempotent. Returns true if the batch is certainly written; false if that is unknown.</summary>
    public async ValueTask<bool> TryWriteAsync(LedgerBatch batch, CancellationToken cancellationToken)
    {
        RedisKey[] keys = [_batch, _records, .. batch.Days.Select(Key)];
        var arguments = batch.Arguments(options, Memory);
        return (await store.TryPatientlyAsync(redis => redis.ScriptEvaluateAsync(WriteBatch, keys, arguments), cancellationToken)).Answered;
    }

    /// <summary>Reads the latest records of all gateways, newest first; null if Redis is unavailable.</summary>
    public async ValueTask<IReadOnlyList<LedgerRecord>?> LatestAsync(int count, CancellationToken cancellationToken)
    {
        if (count == 0)
            return [];
        RedisKey[] keys = [_records];
        RedisValue[] arguments = [Math.Min(count, options.Records)];
        var (answered, result) = await store.TryPatientlyAsync(redis => redis.ScriptEvaluateAsync(ReadLatest, keys, arguments), cancellationToken);
        return answered && (RedisValue[]?)result is { } records ? [.. records.Select(Read).OfType<LedgerRecord>()] : null;
    }

    /// <summary>Null if Redis is unavailable.</summary>
    public async ValueTask<IReadOnlyList<UsageEntry>?> UsageAsync(UsageFilter filter, CancellationToken cancellationToken)
    {
        // The clock of another gateway may already be past midnight.
        var last = DateOnly.FromDateTime(time.GetWallClock().UtcDateTime).AddDays(1);
        DateOnly[] days = filter.Day is { } day ? [day] : [.. Enumerable.Range(0, options.Days + 1).Select(i => last.AddDays(i - options.Days))];
        var (answered, hashes) = await store.TryPatientlyAsync(
            redis => Task.WhenAll(days.Select(d => redis.HashGetAllAsync(Key(d)))), cancellationToken);
        return answered ? [.. days.Zip(hashes!, (d, hash) => Entries(d, hash, filter)).SelectMany(e => e)] : null;
    }

    private RedisKey Key(DateOnly day) => store.Key($"{{ledger}}:usage:{day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)}");

    private static LedgerRecord? Read(RedisValue value)
    {
        try
        {
            return JsonSerializer.Deserialize(((ReadOnlyMemory<byte>)value).Span, StateJson.Default.LedgerRecord);
        }
        catch (JsonException)
        {
            return null; // Not written by a gateway.
        }
    }

    private static IEnumerable<UsageEntry> Entries(DateOnly day, HashEntry[] hash, UsageFilter filter)
    {
        var sums = new Dictionary<(string Tenant, string Model), UsageSum>();
        foreach (var field in hash)
            LedgerField.Read(field.Name.ToString(), field.Value.ToString(), sums);
        return from sum in sums
               where filter.Wants(sum.Key.Tenant, sum.Key.Model)
               orderby sum.Key.Tenant, sum.Key.Model
               select new UsageEntry(day, sum.Key.Tenant, sum.Key.Model, sum.Value);
    }
}
