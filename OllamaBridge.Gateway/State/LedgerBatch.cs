using System.Globalization;
using System.Text.Json;
using OllamaBridge.Gateway.Accounting;
using StackExchange.Redis;

namespace OllamaBridge.Gateway.State;

/// <summary>Records that are written as one, and what they come to. One is filled again and again.</summary>
internal sealed class LedgerBatch
{
    private readonly List<RedisValue> _records = [];
    private readonly SortedDictionary<DateOnly, Dictionary<(string Tenant, string Model), UsageSum>> _days = [];

    /// <summary>Which of its gateway's batches it is: 1, 2, …</summary>
    public long Number { get; private set; }

    /// <summary>Records in it.</summary>
    public int Count => _records.Count;

    /// <summary>The days of its records.</summary>
    public IEnumerable<DateOnly> Days => _days.Keys;

    /// <summary>Adds a record; the first begins the next batch.</summary>
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

    /// <summary>It is written.</summary>
    public void Clear()
    {
        _records.Clear();
        _days.Clear();
    }

    /// <summary>The arguments of <see cref="RedisLedgerStore"/>'s script.</summary>
    /// <param name="options">How much is kept.</param>
    /// <param name="memory">How long its number is remembered.</param>
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

/// <summary>The names of a day's sums: <c>TENANT MODEL</c>, with <c>requests </c> and so on before it. No tenant's name has a blank.</summary>
internal static class LedgerField
{
    public const string Requests = "requests";
    public const string Succeeded = "succeeded";
    public const string Input = "input";
    public const string Output = "output";

    /// <summary>Whose and of what.</summary>
    public static string Of(string tenant, string model) => $"{tenant} {model}";

    /// <summary>Adds a field of Redis to the sums.</summary>
    public static void Read(string field, string value, Dictionary<(string Tenant, string Model), UsageSum> sums)
    {
        if (field.Split(' ', 3) is not [var what, var tenant, var model] || !long.TryParse(value, CultureInfo.InvariantCulture, out var number))
            return; // somebody else's
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
