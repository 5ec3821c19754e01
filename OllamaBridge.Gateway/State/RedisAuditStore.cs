using System.Collections.Concurrent;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Audit;
using StackExchange.Redis;

namespace OllamaBridge.Gateway.State;

/// <summary>The audit log of all bridges that share a Redis: a capped stream. Without Redis, this bridge reads its own. Keys: <c>docs/state.md</c>.</summary>
internal sealed class RedisAuditStore(SharedStore store, MemoryAuditStore own, IOptions<AuditOptions> options, ILogger<RedisAuditStore> logger) : IAuditStore
{
    // KEYS: entries. ARGV: entries kept, entries to add, oldest first. Garnet has no streams: there it is a list.
    private const string WriteEntries = """
        local ask, entries, cap, isList = redis.pcall, KEYS[1], ARGV[1], false
        for i = 2, #ARGV do
          local answer = false
          if not isList then
            answer = ask('XADD', entries, '*', 'e', ARGV[i])
            if type(answer) == 'table' and answer.err then
              if i > 2 or not string.find(answer.err, 'nknown') then return redis.error_reply(answer.err) end
              isList = true
            end
          end
          if isList then redis.call('LPUSH', entries, ARGV[i]) end
        end
        if isList then redis.call('LTRIM', entries, 0, tonumber(cap) - 1) else redis.call('XTRIM', entries, 'MAXLEN', cap) end
        return 1
        """;

    // KEYS: entries. ARGV: how many.
    private const string ReadEntries = """
        local found = redis.pcall('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[1])
        if type(found) == 'table' and found.err then
          if not string.find(found.err, 'nknown') then return redis.error_reply(found.err) end
          return redis.call('LRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1)
        end
        local entries = {}
        for i = 1, #found do entries[i] = found[i][2][2] end
        return entries
        """;

    private const int MaxWaiting = 10_000;
    private readonly RedisKey[] _keys = [store.Key("{audit}:entries")];
    private readonly Channel<AuditEntry> _waiting = Channel.CreateBounded<AuditEntry>(
        new BoundedChannelOptions(MaxWaiting) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true },
        entry => StateLog.AuditDropped(logger, entry.Id));

    // Entries of this bridge that are not in Redis yet.
    private readonly ConcurrentDictionary<string, AuditEntry> _unwritten = new(StringComparer.Ordinal);

    /// <summary>Entries that are not in Redis yet, oldest first.</summary>
    public ChannelReader<AuditEntry> Waiting => _waiting.Reader;

    public bool IsHealthy => store.IsHealthy;

    public void Write(AuditEntry entry)
    {
        own.Write(entry);
        _unwritten[entry.Id] = entry;
        _waiting.Writer.TryWrite(entry);
    }

    /// <summary>An entry that is added twice is read once. Returns whether Redis responded.</summary>
    public async ValueTask<bool> TryWriteAsync(IReadOnlyList<AuditEntry> entries, CancellationToken cancellationToken)
    {
        RedisValue[] arguments = [options.Value.Entries, .. entries.Select(e => (RedisValue)JsonSerializer.SerializeToUtf8Bytes(e, AuditJson.Default.AuditEntry))];
        if (!(await store.TryPatientlyAsync(redis => redis.ScriptEvaluateAsync(WriteEntries, _keys, arguments), cancellationToken)).Answered)
            return false;
        foreach (var entry in entries)
            _unwritten.TryRemove(entry.Id, out _);
        return true;
    }

    public async ValueTask<AuditReading> ReadAsync(AuditFilter filter, CancellationToken cancellationToken)
    {
        RedisValue[] arguments = [options.Value.Entries];
        var (answered, result) = await store.TryPatientlyAsync(redis => redis.ScriptEvaluateAsync(ReadEntries, _keys, arguments), cancellationToken);
        if (!answered || (RedisValue[]?)result is not { } values)
            return await own.ReadAsync(filter, cancellationToken) with { IsPartial = true };
        return filter.Choose(values.Select(Read).OfType<AuditEntry>().Concat(_unwritten.Values));
    }

    private static AuditEntry? Read(RedisValue value)
    {
        try
        {
            return JsonSerializer.Deserialize(((ReadOnlyMemory<byte>)value).Span, AuditJson.Default.AuditEntry);
        }
        catch (JsonException)
        {
            // Another program's.
            return null;
        }
    }
}
