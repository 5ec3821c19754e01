using System.Globalization;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using StackExchange.Redis;

namespace OllamaBridge.Gateway.State;

/// <summary>Stores fleet state in Redis. One atomic script ensures that no two gateways claim the same slot. Keys: <c>docs/state/keys.md</c>.</summary>
internal sealed class RedisFleetStore(SharedStore store) : IFleetStore
{
    private const string Removed = "-";
    private const string Nothing = "-";

    // Spaces separate the parts of a field or value. The instance name comes last, so it may contain spaces.
    // KEYS: alive, slots, drains, ejections, members. ARGV: gateway, its lifetime, lifetime of tombstones (ended drains, removed members), numbers of
    // slots, drains, members and ejections, then those items.
    private const string Exchange = """
        local clock = redis.call('TIME')
        local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
        local me, life, memory = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
        local slots, drains, members, ejections = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
        local text = function(n) return string.format('%.0f', n) end
        redis.call('HSET', KEYS[1], me, text(now + life))
        local alive = {}
        local entries = redis.call('HGETALL', KEYS[1])
        for i = 1, #entries, 2 do
          local ends = tonumber(entries[i + 1]) or 0
          -- Later than any lifetime allows: the clock of the server was set back.
          if ends < now or ends > now + 120000 then redis.call('HDEL', KEYS[1], entries[i]) else alive[entries[i]] = true end
        end
        local claimed = {}
        entries = redis.call('HGETALL', KEYS[2])
        for i = 1, #entries, 2 do
          local gateway, instance = string.match(entries[i], '^(%S+) (.*)$')
          if gateway == me or not alive[gateway] then
            redis.call('HDEL', KEYS[2], entries[i])
          else
            local claim = string.match(entries[i + 1], '^%d+ %d+ (%d+)$') or 0
            claimed[instance] = (claimed[instance] or 0) + tonumber(claim)
          end
        end
        local at = 8
        for i = 1, slots do
          local instance, all, used, waiting, asked = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), ARGV[at + 3], tonumber(ARGV[at + 4])
          local claim = math.max(0, used, math.min(asked, all - (claimed[instance] or 0)))
          redis.call('HSET', KEYS[2], me .. ' ' .. instance, text(used) .. ' ' .. waiting .. ' ' .. text(claim))
          at = at + 5
        end
        local hear = function(key, count, passes)
          for i = 1, count do
            local known = redis.call('HGET', key, ARGV[at])
            if not known or tonumber(string.match(known, '^(%d+) ') or 0) < tonumber(ARGV[at + 1]) then
              redis.call('HSET', key, ARGV[at], ARGV[at + 1] .. ' ' .. ARGV[at + 2])
            end
            at = at + 3
          end
          local all = redis.call('HGETALL', key)
          for i = 1, #all, 2 do
            local said, what = string.match(all[i + 1], '^(%d+) (.*)$')
            if not said or (passes(what) and tonumber(said) < now - memory) then redis.call('HDEL', key, all[i]) end
          end
          redis.call('PEXPIRE', key, text(memory))
        end
        hear(KEYS[3], drains, function(what) return what == '0' or string.match(what, '^1 %d+ %S') end)
        hear(KEYS[5], members, function(what) return what == '-' end)
        for i = 1, ejections do
          local ends = now + tonumber(ARGV[at + 1])
          local known = redis.call('HGET', KEYS[4], ARGV[at])
          local held = known and tonumber(string.match(known, '^(%d+) ') or 0) or 0
          if held < ends or held > now + 86400000 then
            redis.call('HSET', KEYS[4], ARGV[at], text(ends) .. ' ' .. me .. ARGV[at + 2])
          end
          at = at + 3
        end
        entries = redis.call('HGETALL', KEYS[4])
        for i = 1, #entries, 2 do
          if tonumber(string.match(entries[i + 1], '^(%d+) ') or 0) <= now then redis.call('HDEL', KEYS[4], entries[i]) end
        end
        redis.call('PEXPIRE', KEYS[1], 600000)
        redis.call('PEXPIRE', KEYS[2], 600000)
        redis.call('PEXPIRE', KEYS[4], 86400000)
        local answer = {text(now), redis.call('HKEYS', KEYS[1])}
        for i = 2, 5 do answer[i + 1] = redis.call('HGETALL', KEYS[i]) end
        return answer
        """;

    // The hash tag puts all keys in one slot of a Redis cluster, as the script requires.
    private readonly RedisKey[] _keys =
    [
        store.Key("{fleet}:alive"), store.Key("{fleet}:slots"), store.Key("{fleet}:drains"), store.Key("{fleet}:ejections"),
        store.Key("{fleet}:members"),
    ];

    public bool IsShared => true;

    public async ValueTask<SharedFleet?> ExchangeAsync(GatewayReport report, CancellationToken cancellationToken)
    {
        var arguments = Arguments(report);
        var (answered, result) = await store.TryAsync(redis => redis.ScriptEvaluateAsync(Exchange, _keys, arguments), cancellationToken);
        return answered && result is { IsNull: false } ? Read((RedisResult[])result!) : null;
    }

    public async ValueTask LeaveAsync(string gateway, CancellationToken cancellationToken) =>
        await store.TryAsync(redis => redis.HashDeleteAsync(_keys[0], gateway), cancellationToken);

    private static RedisValue[] Arguments(GatewayReport report)
    {
        var list = new List<RedisValue>(
            7 + (5 * report.Slots.Length) + (3 * (report.Drains.Length + report.Members.Length + report.Ejections.Length)))
        {
            report.Gateway,
            (long)report.Lifetime.TotalMilliseconds,
            (long)OperatorDirectives.Memory.TotalMilliseconds,
            report.Slots.Length,
            report.Drains.Length,
            report.Members.Length,
            report.Ejections.Length,
        };
        foreach (var s in report.Slots)
            list.AddRange([s.Instance, s.Slots, s.Used, s.Waiting, s.Asked]);
        foreach (var d in report.Drains)
            list.AddRange([d.Instance, d.Version, Text(d)]);
        foreach (var m in report.Members)
            list.AddRange([m.Instance, m.Version, m.Definition is { } i ? Text(i) : Removed]);
        foreach (var e in report.Ejections)
            list.AddRange([e.Instance, (long)e.Remaining.TotalMilliseconds, e.Incarnation is null ? "" : $" {e.Incarnation}"]);
        return [.. list];
    }

    private static SharedFleet Read(RedisResult[] parts)
    {
        var now = Number((string)parts[0]!);
        return new SharedFleet(
            DateTimeOffset.FromUnixTimeMilliseconds(now),
            [.. ((string[])parts[1]!).Order(StringComparer.Ordinal)],
            [.. Pairs(parts[2]).Select(p => Claim(p.Key, p.Value.Split(' ')))],
            [.. Pairs(parts[3]).Select(p => Drain(p.Key, p.Value.Split(' ')))],
            [.. Pairs(parts[5]).Select(p => Member(p.Key, p.Value.Split(' ')))],
            [.. Pairs(parts[4]).Select(p => Ejection(p.Key, p.Value.Split(' '), now))]);
    }

    private static SlotClaim Claim(string key, string[] value)
    {
        var blank = key.IndexOf(' ', StringComparison.Ordinal);
        return new SlotClaim(key[..blank], key[(blank + 1)..], (int)Number(value[0]), (int)Number(value[1]), (int)Number(value[2]));
    }

    private static DrainMark Drain(string instance, string[] value) =>
        new(instance, value[1] == "1", Number(value[0]), value.Length > 2 ? Number(value[2]) : 0, value.Length > 3 ? value[3] : null);

    // Without a deadline, the format of older gateways that had none. An incarnation contains no space: it is a uid, or a host and a port.
    private static string Text(DrainMark mark) => !mark.Draining ? "0"
        : mark.Incarnation is { } which ? string.Create(CultureInfo.InvariantCulture, $"1 {mark.Deadline} {which}")
        : mark.Deadline > 0 ? string.Create(CultureInfo.InvariantCulture, $"1 {mark.Deadline}")
        : "1";

    private static MemberMark Member(string instance, string[] value) => new(
        instance,
        value[1] == Removed ? null : new InstanceDefinition(value[1], new Uri(value[2]), (int)Number(value[3]), (int)Number(value[4]))
        {
            OpenAI = value.Length < 7 ? null : new OpenAIService([.. value[7..]], (ApiRoutes)Number(value[5]), value[6] == Nothing ? null : value[6]),
        },
        Number(value[0]));

    // No part contains a space, because names, paths and ids must not. API keys are not stored here.
    private static string Text(InstanceDefinition definition)
    {
        var text = string.Create(
            CultureInfo.InvariantCulture, $"{definition.Name} {definition.Url.AbsoluteUri} {definition.Slots} {definition.MaxLoadedModels}");
        return definition.OpenAI is { } service
            ? string.Join(' ', [text, ((int)service.Routes).ToString(CultureInfo.InvariantCulture), service.HealthPath ?? Nothing, .. service.Models])
            : text;
    }

    private static EjectionMark Ejection(string instance, string[] value, long now) =>
        new(instance, value[1], TimeSpan.FromMilliseconds(Number(value[0]) - now), value.Length > 2 ? value[2] : null);

    private static IEnumerable<KeyValuePair<string, string>> Pairs(RedisResult result)
    {
        var flat = (string[])result!;
        for (var i = 0; i + 1 < flat.Length; i += 2)
            yield return new(flat[i], flat[i + 1]);
    }

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
