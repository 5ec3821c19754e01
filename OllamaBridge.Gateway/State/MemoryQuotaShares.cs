using System.Collections.Immutable;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Quotas;

namespace OllamaBridge.Gateway.State;

/// <summary>Divides tenant quotas in memory, for one gateway, which needs no division, or, in tests, for several gateways in one process.</summary>
internal sealed class MemoryQuotaShares(TimeProvider time, bool isShared = false) : IQuotaShares
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, long> _gateways = new(StringComparer.Ordinal);
    private readonly Dictionary<string, TenantShares> _tenants = new(StringComparer.Ordinal);
    private long? _since;

    public bool IsShared => isShared;

    public TimeSpan Timeout => TimeSpan.Zero;

    public ValueTask<QuotaResult?> ExchangeAsync(QuotaReport report, CancellationToken cancellationToken)
    {
        lock (_lock)
            return ValueTask.FromResult(Exchange(report, (long)time.GetMoment().SinceOrigin.TotalMilliseconds));
    }

    public MemoryQuotaShares Copy()
    {
        lock (_lock)
        {
            var copy = new MemoryQuotaShares(time, isShared) { _since = _since };
            foreach (var (gateway, seen) in _gateways)
                copy._gateways.Add(gateway, seen);
            foreach (var (tenant, shares) in _tenants)
                copy._tenants.Add(tenant, shares.Copy());
            return copy;
        }
    }

    private QuotaResult? Exchange(QuotaReport report, long now)
    {
        var timeout = (long)report.Timeout.TotalMilliseconds;
        if (!_tenants.TryGetValue(report.Tenant, out var tenant))
            _tenants.Add(report.Tenant, tenant = new TenantShares());
        var known = tenant.LastReports.TryGetValue(report.Gateway, out var last);
        if (known && last.Sequence >= report.Sequence)
            return null;
        // _since restarts if the store is empty, had no report for a timeout, or (second check) lost reports that it had acknowledged.
        var silent = _gateways.Count == 0 || _gateways.Values.Max() < now - timeout;
        if (_since is null || silent)
            _since = now;
        if (report.Acknowledged > (known ? last.Sequence : 0) && _since <= report.Since)
            _since = Math.Max(now, report.Since + 1);
        foreach (var gone in _gateways.Where(g => g.Value < now - timeout).Select(g => g.Key).ToArray())
            _gateways.Remove(gone);
        _gateways[report.Gateway] = now;
        tenant.LastReports[report.Gateway] = new LastReport(report.Sequence, now);
        tenant.Forget(report, now, _since.Value, _gateways);

        var careful = now < _since + timeout;
        var grants = ImmutableArray.CreateBuilder<QuotaGrant>(report.Uses.Length);
        foreach (var use in report.Uses)
            grants.Add(use.Kind == QuotaLimit.Requests ? tenant.TakePermits(use, now) : tenant.Claim(report, use, careful));
        return new QuotaResult(_since.Value, _gateways.Count, careful, grants.MoveToImmutable());
    }

    private readonly record struct LastReport(long Sequence, long At);

    private readonly record struct ClaimKey(QuotaLimit Kind, string Gateway, string Model);

    private readonly record struct ClaimValue(long Claim, long Used, long Spent, long Day);

    private sealed class TenantShares
    {
        private readonly Dictionary<ClaimKey, ClaimValue> _claims = [];
        private readonly Dictionary<string, (double Permits, long At)> _permits = new(StringComparer.Ordinal);

        public Dictionary<string, LastReport> LastReports { get; } = new(StringComparer.Ordinal);

        public TenantShares Copy()
        {
            var copy = new TenantShares();
            foreach (var (gateway, last) in LastReports)
                copy.LastReports.Add(gateway, last);
            foreach (var (key, claim) in _claims)
                copy._claims.Add(key, claim);
            foreach (var (model, permits) in _permits)
                copy._permits.Add(model, permits);
            return copy;
        }

        /// <summary>Time before <paramref name="since"/>, when the store was unavailable, does not count as silence.</summary>
        public void Forget(QuotaReport report, long now, long since, Dictionary<string, long> alive)
        {
            var timeout = (long)report.Timeout.TotalMilliseconds;
            var minute = (long)report.MinuteLifetime.TotalMilliseconds;
            foreach (var (key, value) in _claims.ToArray())
            {
                var silence = now - Math.Max(since, LastReports.TryGetValue(key.Gateway, out var last) ? last.At : 0);
                var isGone = key.Gateway == report.Gateway || key.Kind switch
                {
                    QuotaLimit.Concurrency => silence > timeout,
                    QuotaLimit.Minute => silence > minute,
                    // A live gateway carries requests that are still running into the new day.
                    _ => value.Day < report.Day && silence > timeout,
                };
                if (isGone)
                    _claims.Remove(key);
            }

            foreach (var gone in LastReports.Where(r => !alive.ContainsKey(r.Key) && now - Math.Max(since, r.Value.At) > minute).Select(r => r.Key).ToArray())
                LastReports.Remove(gone);
        }

        public QuotaGrant TakePermits(in QuotaUse use, long now)
        {
            var burst = QuotaCounter.Burst(use.Limit);
            var (permits, at) = _permits.GetValueOrDefault(use.Model, (burst, now));
            permits = Math.Min(burst, permits + (Math.Max(0, now - at) / 1000.0 * use.Limit) + use.Used);
            var given = (long)Math.Floor(Math.Min(use.Requested, permits));
            _permits[use.Model] = (permits - given, now);
            return new QuotaGrant(given, 0, 0, permits - given);
        }

        public QuotaGrant Claim(QuotaReport report, in QuotaUse use, bool careful)
        {
            var (claimed, used, spent) = (0L, 0L, 0L);
            foreach (var (key, value) in _claims)
                if (key.Kind == use.Kind && key.Model == use.Model && key.Gateway != report.Gateway)
                    (claimed, used, spent) = (claimed + value.Claim, used + value.Used, spent + value.Spent);
            var requested = careful ? Math.Min(use.Requested, use.RequestedCarefully) : use.Requested;
            var claim = QuotaPortions.Grant((long)use.Limit, use.Used, requested, claimed);
            if (claim > 0)
                _claims[new ClaimKey(use.Kind, report.Gateway, use.Model)] = new ClaimValue(claim, use.Used, use.Spent, report.Day);
            return new QuotaGrant(claim, used, spent, 0);
        }
    }
}
