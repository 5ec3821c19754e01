using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Accounting;

namespace OllamaBridge.Gateway.State;

/// <summary>Keeps the latest records of one gateway in a ring buffer, and daily sums. Lost at exit.</summary>
internal sealed class MemoryLedger(IOptions<LedgerOptions> options) : ILedger
{
    private readonly Lock _lock = new();
    private readonly int _days = options.Value.Days;
    private readonly LedgerRecord[] _ring = new LedgerRecord[options.Value.Records];
    private readonly SortedDictionary<DateOnly, Dictionary<(string Tenant, string Model), UsageSum>> _sums = [];
    private long _written;

    public void Write(LedgerRecord record)
    {
        var day = DateOnly.FromDateTime(record.Time.UtcDateTime);
        var one = UsageSum.Of(record);
        lock (_lock)
        {
            _ring[_written++ % _ring.Length] = record;
            if (!_sums.TryGetValue(day, out var sums))
                sums = AddDay(day);
            var key = (record.Tenant, record.Model);
            sums[key] = sums.GetValueOrDefault(key) + one;
        }
    }

    public ValueTask<LedgerReading<LedgerRecord>> LatestAsync(int count, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var latest = new LedgerRecord[Math.Clamp(count, 0, (int)Math.Min(_written, _ring.Length))];
            for (var i = 0; i < latest.Length; i++)
                latest[i] = _ring[(_written - 1 - i) % _ring.Length];
            return ValueTask.FromResult(new LedgerReading<LedgerRecord>(latest));
        }
    }

    public ValueTask<LedgerReading<UsageEntry>> UsageAsync(UsageFilter filter, CancellationToken cancellationToken)
    {
        lock (_lock)
            return ValueTask.FromResult(new LedgerReading<UsageEntry>(
            [
                .. from day in _sums
                   where filter.Day is null || filter.Day == day.Key
                   from sum in day.Value
                   where filter.Wants(sum.Key.Tenant, sum.Key.Model)
                   orderby day.Key, sum.Key.Tenant, sum.Key.Model
                   select new UsageEntry(day.Key, sum.Key.Tenant, sum.Key.Model, sum.Value),
            ]));
    }

    private Dictionary<(string Tenant, string Model), UsageSum> AddDay(DateOnly day)
    {
        var sums = new Dictionary<(string Tenant, string Model), UsageSum>();
        _sums.Add(day, sums);
        while (_sums.Count > _days)
            _sums.Remove(_sums.Keys.First());
        return sums;
    }
}
