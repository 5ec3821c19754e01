using System.Collections.Immutable;
using System.Globalization;
using OllamaBridge.Gateway.Quotas;
using StackExchange.Redis;

namespace OllamaBridge.Gateway.State;

/// <summary>Divides tenant quotas in Redis. One atomic script ensures that no two gateways claim the same part. Keys: <c>docs/state/sharing.md</c>.</summary>
internal sealed class RedisQuotaShares(SharedStore store) : IQuotaShares
{
    private const int PartsOfUse = 7;

    // Spaces separate the parts of a field. Model names may contain spaces, so they come last.
    // KEYS: gateways, the tenant. ARGV: gateway, sequence number, last acknowledged sequence number and its "since", timeout, lifetime of minute claims, day,
    // then the uses. Times are in milliseconds. Fields of the tenant: "g GATEWAY" holds the sequence number and its time; "c" (concurrency), "m" (minute)
    // or "d" (day) with "GATEWAY MODEL" hold claim, used, spent and day; "r MODEL" holds permits and the time of their last refill. A claim expires after
    // its gateway was silent for the timeout (a minute claim: for its lifetime), a day claim only once its day is over, too. Time when Redis was
    // unavailable does not count as silence.
    private const string Exchange = """
        local clock = redis.call('TIME')
        local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
        local me, sequence, acknowledged = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
        local known, timeout, minute, today = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
        local text = function(n) return string.format('%.0f', n) end
        local heard = {}
        local entries = redis.call('HGETALL', KEYS[2])
        for i = 1, #entries, 2 do
          local gateway = string.match(entries[i], '^g (%S+)$')
          if gateway then
            local said, at = string.match(entries[i + 1], '^(%d+) (%d+)$')
            heard[gateway] = {tonumber(said) or 0, tonumber(at) or 0}
            -- A time in the future: the clock of the server was set back. The silence of the gateway starts now.
            if heard[gateway][2] > now then
              heard[gateway][2] = now
              redis.call('HSET', KEYS[2], entries[i], text(heard[gateway][1]) .. ' ' .. text(now))
            end
          end
        end
        local last = heard[me] and heard[me][1] or 0
        if last >= sequence then return false end
        local since, latest, gateways, alive = nil, 0, 1, {}
        local all = redis.call('HGETALL', KEYS[1])
        for i = 1, #all, 2 do
          local at = tonumber(all[i + 1]) or 0
          if all[i] == ' since' then
            since = at
          else
            if at > now then
              at = now
              redis.call('HSET', KEYS[1], all[i], text(now))
            end
            if at > latest then latest = at end
            if at < now - timeout then
              redis.call('HDEL', KEYS[1], all[i])
            else
              alive[all[i]] = true
              if all[i] ~= me then gateways = gateways + 1 end
            end
          end
        end
        if not since or since > now or latest < now - timeout then since = now end
        if acknowledged > last and since <= known then since = math.max(now, known + 1) end
        local careful = now < since + timeout
        redis.call('HSET', KEYS[1], me, text(now), ' since', text(since))
        redis.call('HSET', KEYS[2], 'g ' .. me, text(sequence) .. ' ' .. text(now))
        local claimed, used, spent = {}, {}, {}
        for i = 1, #entries, 2 do
          local kind, gateway, model = string.match(entries[i], '^([cmd]) (%S+) (.*)$')
          if kind then
            local silence = now - math.max(since, heard[gateway] and heard[gateway][2] or 0)
            local c, u, s, day = string.match(entries[i + 1], '^(%d+) (%d+) (%d+) (%d+)$')
            local gone = gateway == me or not c
            if kind == 'c' then gone = gone or silence > timeout
            elseif kind == 'm' then gone = gone or silence > minute
            else gone = gone or (tonumber(day) < today and silence > timeout) end
            if gone then
              redis.call('HDEL', KEYS[2], entries[i])
            else
              local what = kind .. ' ' .. model
              claimed[what] = (claimed[what] or 0) + tonumber(c)
              used[what] = (used[what] or 0) + tonumber(u)
              spent[what] = (spent[what] or 0) + tonumber(s)
            end
          end
        end
        for gateway, said in pairs(heard) do
          if gateway ~= me and not alive[gateway] and now - math.max(since, said[2]) > minute then redis.call('HDEL', KEYS[2], 'g ' .. gateway) end
        end
        local answer = {text(since), text(gateways), careful and '1' or '0'}
        for at = 8, #ARGV, 7 do
          local kind, model, limit = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
          local own, mine, asked, cautious = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
          if kind == 'r' then
            local burst = math.max(1, limit)
            local permits, filled = burst, now
            local bucket = redis.call('HGET', KEYS[2], 'r ' .. model)
            if bucket then
              local p, f = string.match(bucket, '^(%S+) (%d+)$')
              permits, filled = tonumber(p) or burst, tonumber(f) or now
            end
            permits = math.min(burst, permits + math.max(0, now - filled) / 1000 * limit + own)
            local given = math.floor(math.min(asked, permits))
            permits = permits - given
            redis.call('HSET', KEYS[2], 'r ' .. model, string.format('%.6f', permits) .. ' ' .. text(now))
            answer[#answer + 1] = text(given)
            answer[#answer + 1] = '0'
            answer[#answer + 1] = '0'
            answer[#answer + 1] = string.format('%.6f', permits)
          else
            local what = kind .. ' ' .. model
            if careful then asked = math.min(asked, cautious) end
            local claim = math.max(0, own, math.min(asked, limit - (claimed[what] or 0)))
            if claim > 0 then
              redis.call('HSET', KEYS[2], kind .. ' ' .. me .. ' ' .. model, text(claim) .. ' ' .. text(own) .. ' ' .. text(mine) .. ' ' .. text(today))
            end
            answer[#answer + 1] = text(claim)
            answer[#answer + 1] = text(used[what] or 0)
            answer[#answer + 1] = text(spent[what] or 0)
            answer[#answer + 1] = '0'
          end
        end
        redis.call('PEXPIRE', KEYS[1], 172800000)
        redis.call('PEXPIRE', KEYS[2], 172800000)
        return answer
        """;

    // The hash tag puts all keys in one slot of a Redis cluster, because the script reads the gateways and a tenant together.
    private readonly RedisKey _gateways = store.Key("{quota}:gateways");
    private readonly string _tenants = store.Key("{quota}:tenant:").ToString();

    public bool IsShared => true;

    public TimeSpan Timeout => store.Timeout;

    public async ValueTask<QuotaResult?> ExchangeAsync(QuotaReport report, CancellationToken cancellationToken)
    {
        RedisKey[] keys = [_gateways, _tenants + report.Tenant];
        var arguments = Arguments(report);
        var (answered, result) = await store.TryAsync(redis => redis.ScriptEvaluateAsync(Exchange, keys, arguments), cancellationToken);
        return answered && result is { IsNull: false } ? Read((string[])result!) : null;
    }

    private static RedisValue[] Arguments(QuotaReport report)
    {
        var list = new RedisValue[7 + (PartsOfUse * report.Uses.Length)];
        list[0] = report.Gateway;
        list[1] = report.Sequence;
        list[2] = report.Acknowledged;
        list[3] = report.Since;
        list[4] = (long)report.Timeout.TotalMilliseconds;
        list[5] = (long)report.MinuteLifetime.TotalMilliseconds;
        list[6] = report.Day;
        var at = 7;
        foreach (var use in report.Uses)
        {
            list[at++] = use.Kind switch { QuotaLimit.Concurrency => "c", QuotaLimit.Minute => "m", QuotaLimit.Day => "d", _ => "r" };
            list[at++] = use.Model;
            list[at++] = use.Limit;
            list[at++] = use.Used;
            list[at++] = use.Spent;
            list[at++] = use.Requested;
            list[at++] = use.RequestedCarefully;
        }

        return list;
    }

    private static QuotaResult Read(string[] parts)
    {
        var grants = ImmutableArray.CreateBuilder<QuotaGrant>((parts.Length - 3) / 4);
        for (var at = 3; at + 3 < parts.Length; at += 4)
            grants.Add(new QuotaGrant(
                Number(parts[at]), Number(parts[at + 1]), Number(parts[at + 2]), double.Parse(parts[at + 3], CultureInfo.InvariantCulture)));
        return new QuotaResult(Number(parts[0]), (int)Number(parts[1]), parts[2] == "1", grants.MoveToImmutable());
    }

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
