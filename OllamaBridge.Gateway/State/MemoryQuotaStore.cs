using System.Collections.Concurrent;
using OllamaBridge.Gateway.Admission;

namespace OllamaBridge.Gateway.State;

/// <summary>Counts for one gateway alone, and only while it runs.</summary>
/// <remarks>One lock for each tenant: its own limits and those for single models are taken together or not at all.</remarks>
internal sealed class MemoryQuotaStore(TimeProvider time) : IQuotaStore
{
    private readonly ConcurrentDictionary<string, TenantState> _tenants = new(StringComparer.Ordinal);
    private readonly long _start = time.GetTimestamp();

    /// <inheritdoc/>
    public ValueTask<QuotaLease> AcquireAsync(QuotaDemand demand, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(Acquire(demand));
    }

    /// <summary>What is counted for a tenant; for tests.</summary>
    /// <param name="tenant">Whose.</param>
    /// <param name="model">Canonical model name; null for all together.</param>
    /// <param name="read">Reads it while nobody changes it.</param>
    public T Read<T>(string tenant, string? model, Func<QuotaCounter, T> read)
    {
        var state = _tenants.GetOrAdd(tenant, static _ => new TenantState());
        lock (state.Lock)
        {
            var counter = model is null ? state.Total : state.Of(model);
            counter.Advance(Now());
            return read(counter);
        }
    }

    private QuotaLease Acquire(in QuotaDemand demand)
    {
        var tenant = _tenants.GetOrAdd(demand.Tenant, static _ => new TenantState());
        lock (tenant.Lock)
        {
            // Read inside the lock, so that a tenant's time does not go back.
            var now = Now();
            var total = tenant.Total;
            total.Advance(now);
            total.Fill(demand.Limits, now);
            var refusal = total.Check(demand.Limits, demand.Tokens, ofModel: false, now);
            QuotaCounter? model = null;
            if (demand.ModelLimits is { } limits)
            {
                model = tenant.Of(demand.Model);
                model.Advance(now);
                model.Fill(limits, now);
                if (refusal.Limit == QuotaLimit.None)
                    refusal = model.Check(limits, demand.Tokens, ofModel: true, now);
            }

            if (refusal.Limit != QuotaLimit.None)
                return new QuotaLease(refusal, Levels(demand, total, model, now));
            total.Take(demand.Limits, demand.Tokens);
            model?.Take(demand.ModelLimits!, demand.Tokens);
            return new Lease(this, tenant, model, demand.Tokens, Levels(demand, total, model, now));
        }
    }

    private static QuotaLevels Levels(in QuotaDemand demand, QuotaCounter total, QuotaCounter? model, in QuotaMoment now)
    {
        var levels = total.Levels(demand.Limits, now);
        if (model is null)
            return levels;
        var ofModel = model.Levels(demand.ModelLimits!, now);
        return new QuotaLevels(QuotaLevel.Tighter(levels.Requests, ofModel.Requests), QuotaLevel.Tighter(levels.Tokens, ofModel.Tokens));
    }

    private QuotaMoment Now() => new(time.GetElapsedTime(_start), time.GetUtcNow().UtcDateTime);

    private sealed class TenantState
    {
        private readonly Dictionary<string, QuotaCounter> _models = new(StringComparer.Ordinal);

        public Lock Lock { get; } = new();

        public QuotaCounter Total { get; } = new();

        // As many as the tenant has limits for models.
        public QuotaCounter Of(string model)
        {
            if (!_models.TryGetValue(model, out var counter))
                _models.Add(model, counter = new QuotaCounter());
            return counter;
        }
    }

    private sealed class Lease(MemoryQuotaStore store, TenantState tenant, QuotaCounter? model, long reserved, QuotaLevels levels)
        : QuotaLease(default, levels)
    {
        protected override void Return(long tokens)
        {
            lock (tenant.Lock)
            {
                var now = store.Now();
                tenant.Total.Settle(reserved, tokens, now);
                model?.Settle(reserved, tokens, now);
            }
        }
    }
}
