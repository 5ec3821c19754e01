using System.Globalization;
using System.Text.Json;
using OllamaBridge.Gateway.Accounting;
using StackExchange.Redis;

namespace OllamaBridge.Gateway.State;

/// <summary>Records that are written together, and their sums. Reusable after <see cref="Clear"/>. Not thread-safe.</summary>
internal sealed class LedgerBatch
{
    private readonly List<RedisValue> _records = [];
    private readonly SortedDictionary<DateOnly, Dictionary<(string Tenant, string Model), UsageSum>> _days = [];

    /// <summary>Sequence number of the batch in its gateway, from 1.</summary>
    public long Number { get; private set; }

    public int Count => _records.Count;

    public IEnumerable<DateOnly> Days => _days.Keys;

    /// <summary>Adds a record. The first record of a batch increments <see cref="Number"/>.</summary>
    public void Add(LedgerRecord record)
    {
        if (Count == 0)
            Number++;
        _records.Add(JsonSerializer.SerializeToUtf8Bytes(record, StateJson.Default.LedgerRecord));
        var day = DateOnly.FromDateTime(record.Time.UtcDateTime);
        if (!_days.TryGetValue(day, out var sums))
            _days.Add(day, sums = []);
        var key = (record.Tenant, record.Model);
        sums[key] = sums.GetValueOrDefault(key) + UsageSum.Of(record);
    }

    public void Clear()
    {
        _records.Clear();
        _days.Clear();
    }

    /// <summary>Returns the arguments of the write script, which keeps the batch number for the time <paramref name="memory"/>.</summary>
    public RedisValue[] Arguments(LedgerOptions options, TimeSpan memory)
    {
        var list = new List<RedisValue>(_records.Count + 32) { Number, (long)memory.TotalSeconds, options.Records, _records.Count };
        list.AddRange(_records);
        foreach (var (day, sums) in _days)
        {
            var over = new DateTimeOffset(day.AddDays(options.Days), default, TimeSpan.Zero).ToUnixTimeSeconds();
            list.AddRange([over, sums.Count]);
            foreach (var ((tenant, model), sum) in sums)
                list.AddRange([LedgerField.Of(tenant, model), sum.Requests, sum.Succeeded, sum.InputTokens, sum.OutputTokens]);
        }

        return [.. list];
    }
}

/// <summary>Hash fields of the usage sums of a day, such as <c>requests TENANT MODEL</c>. A tenant name contains no space.</summary>
internal static class LedgerField
{
    public const string Requests = "requests";
    public const string Succeeded = "succeeded";
    public const string Input = "input";
    public const string Output = "output";

    public static string Of(string tenant, string model) => $"{tenant} {model}";

    /// <summary>Ignores an unknown format.</summary>
    public static void Read(string field, string value, Dictionary<(string Tenant, string Model), UsageSum> sums)
    {
        if (field.Split(' ', 3) is not [var what, var tenant, var model] || !long.TryParse(value, CultureInfo.InvariantCulture, out var number))
            return; // Not written by a gateway.
        var add = what switch
        {
            Requests => new UsageSum(number, 0, 0, 0),
            Succeeded => new UsageSum(0, number, 0, 0),
            Input => new UsageSum(0, 0, number, 0),
            Output => new UsageSum(0, 0, 0, number),
            _ => default,
        };
        var key = (tenant, model);
        sums[key] = sums.GetValueOrDefault(key) + add;
    }
}
