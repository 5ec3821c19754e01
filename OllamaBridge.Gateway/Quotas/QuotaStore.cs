using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Quotas;

/// <summary>Counts the tenants' use at this gateway, in memory, within its claims of each limit; a request waits for the shared state only if they don't
/// suffice. One lock per tenant: its limits are reserved together or not at all.</summary>
internal sealed class QuotaStore : IQuotaStore
{
    private readonly ConcurrentDictionary<string, TenantQuota> _tenants = new(StringComparer.Ordinal);
    private readonly IQuotaShares? _shares;
    private readonly string _gateway;
    private readonly TimeSpan _timeout;
    private readonly TimeSpan _interval;
    private readonly TimeSpan _patience;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly long _start;
    private readonly Func<string, TenantQuota> _create;
    private readonly Func<TenantQuota, QuotaScope?, long, QuotaLevels, QuotaLease> _lease;
    private long _sequence;
    private (long Sequence, long Since) _greeted;
    private long _since;
    private long _confirmedTicks;
    private volatile int _gateways = 1;
    private volatile bool _isLost;
    private volatile bool _complained;

    public QuotaStore(IQuotaShares shares, string gateway, IOptions<SharingOptions> sharing, TimeProvider time, ILogger<QuotaStore> logger)
    {
        _shares = shares.IsShared ? shares : null;
        _gateway = gateway;
        (_timeout, _interval, _patience) = (sharing.Value.Timeout, sharing.Value.Interval, shares.Timeout);
        (_time, _logger, _start) = (time, logger, time.GetTimestamp());
        _create = id => new TenantQuota(id, _timeout);
        _lease = (tenant, model, tokens, levels) => new Lease(this, tenant, model, tokens, levels);
    }

    public bool IsShared => _shares is not null;

    public int Gateways => _gateways;

    public ValueTask<QuotaLease> AcquireAsync(QuotaDemand demand, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        while (true)
        {
            var tenant = _tenants.GetOrAdd(demand.Tenant, _create);
            QuotaWaiter waiter;
            lock (tenant.Lock)
            {
                if (tenant.IsDropped)
                    continue;
                // Read under the lock, so that time is monotonic for each tenant.
                var now = Now();
                var knowledge = _shares is null ? QuotaKnowledge.Alone : _isLost ? QuotaKnowledge.Lost : QuotaKnowledge.Claims;
                // A new request must not overtake waiting ones.
                if (knowledge != QuotaKnowledge.Claims || tenant.Waiting.Count == 0)
                {
                    if (tenant.Decide(demand, knowledge, _gateways, now, _lease) is { } lease)
                        return ValueTask.FromResult(lease);
                }
                else
                {
                    tenant.Expect(demand, _gateways, now);
                }

                tenant.Waiting.AddLast(waiter = new QuotaWaiter(demand));
            }

            return new ValueTask<QuotaLease>(WaitAsync(tenant, waiter, cancellationToken));
        }
    }

    /// <summary>Ends an interval: reports changes, and registers this gateway again if necessary.</summary>
    public async Task TickAsync(CancellationToken cancellationToken)
    {
        if (_shares is null)
            return;
        if (_isLost || Now().Elapsed.Ticks - Interlocked.Read(ref _confirmedTicks) >= _timeout.Ticks / 3)
            await GreetAsync(cancellationToken);
        if (!_isLost)
            await ExchangeAllAsync(drop: true);
    }

    public async Task GreetAsync(CancellationToken cancellationToken)
    {
        if (_shares is null)
            return;
        var now = Now();
        var report = new QuotaReport(
            _gateway, "", Interlocked.Increment(ref _sequence), _greeted.Sequence, _greeted.Since, _timeout, now.Utc.Ticks / TimeSpan.TicksPerDay, []);
        var answer = await TryExchangeAsync(report, cancellationToken);
        if (answer is not null)
            _greeted = (report.Sequence, answer.Since);
        Note(answer, now.Elapsed);
    }

    public async Task LeaveAsync()
    {
        if (_shares is null || _isLost)
            return;
        // No further requests will arrive, so no room is claimed for them.
        foreach (var tenant in _tenants.Values)
            lock (tenant.Lock)
                tenant.Rest();
        await ExchangeAllAsync(drop: false);
    }

    /// <summary>Reads a tenant's counter under its lock; all models together if <paramref name="model"/> is null. For tests.</summary>
    public T Read<T>(string tenant, string? model, Func<QuotaCounter, T> read)
    {
        var state = _tenants.GetOrAdd(tenant, _create);
        lock (state.Lock)
        {
            var counter = (model is null ? state.Total : state.Of(model)).Counter;
            counter.Advance(Now());
            return read(counter);
        }
    }

    private async Task ExchangeAllAsync(bool drop)
    {
        List<Task>? running = null;
        foreach (var entry in _tenants)
        {
            var tenant = entry.Value;
            lock (tenant.Lock)
            {
                tenant.Pass();
                if (tenant.IsExchanging)
                    continue;
                if (!tenant.IsDue(Interlocked.Read(ref _since), _gateways, Now()))
                {
                    if (drop && tenant.IsIdle)
                        tenant.IsDropped = _tenants.TryRemove(entry);
                    continue;
                }
            }

            (running ??= []).Add(ExchangeAsync(tenant));
        }

        if (running is not null)
            await Task.WhenAll(running);
    }

    private async Task<QuotaLease> WaitAsync(TenantQuota tenant, QuotaWaiter waiter, CancellationToken cancellationToken)
    {
        _ = ExchangeAsync(tenant);
        try
        {
            return await waiter.Task.WaitAsync(_patience, _time, cancellationToken);
        }
        catch (TimeoutException)
        {
            lock (tenant.Lock)
                if (tenant.Waiting.Remove(waiter))
                    waiter.SetResult(tenant.Decide(waiter.Demand, QuotaKnowledge.Lost, _gateways, Now(), _lease)!);
            return await waiter.Task;
        }
        catch (OperationCanceledException)
        {
            bool isLate;
            lock (tenant.Lock)
                isLate = !tenant.Waiting.Remove(waiter);
            if (isLate)
                (await waiter.Task).Settle(0);
            throw;
        }
    }

    /// <summary>Reports a tenant's use and claims capacity, repeatedly while requests wait. At most one exchange per tenant runs at a time.</summary>
    private async Task ExchangeAsync(TenantQuota tenant)
    {
        lock (tenant.Lock)
        {
            if (tenant.IsExchanging)
                return;
            tenant.IsExchanging = true;
        }

        bool isDone;
        do
        {
            QuotaReport report;
            TimeSpan sentAt;
            lock (tenant.Lock)
            {
                var now = Now();
                sentAt = now.Elapsed;
                report = tenant.Report(_gateway, Interlocked.Increment(ref _sequence), _gateways, now);
            }

            var answer = await TryExchangeAsync(report, CancellationToken.None);
            Note(answer, sentAt);
            lock (tenant.Lock)
            {
                if (answer is not null)
                    tenant.Apply(report, answer, sentAt);
                Answer(tenant, answer is null ? QuotaKnowledge.Lost : QuotaKnowledge.Answered);
                isDone = tenant.Waiting.Count == 0;
                tenant.IsExchanging = !isDone;
            }
        }
        while (!isDone);
    }

    /// <summary>Decides the waiting requests that the report included, in order of arrival; all of them if the shared state is unreachable.</summary>
    private void Answer(TenantQuota tenant, QuotaKnowledge knowledge)
    {
        while (tenant.Waiting.First is { } first && (first.Value.IsReported || knowledge == QuotaKnowledge.Lost))
        {
            tenant.Waiting.RemoveFirst();
            var now = Now();
            var lease = tenant.Decide(first.Value.Demand, knowledge, _gateways, now, _lease)!;
            if (knowledge == QuotaKnowledge.Answered)
                tenant.Remember(lease, first.Value.Demand, now.Elapsed + _interval);
            first.Value.SetResult(lease);
        }
    }

    private async ValueTask<QuotaResult?> TryExchangeAsync(QuotaReport report, CancellationToken cancellationToken)
    {
        try
        {
            var answer = await _shares!.ExchangeAsync(report, cancellationToken);
            _complained &= answer is null;
            return answer;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The shared state contains data that no gateway writes. That must not stop this gateway.
            if (!_complained)
                QuotaLog.ExchangeFailed(_logger, e);
            _complained = true;
            return null;
        }
    }

    private void Note(QuotaResult? answer, TimeSpan sentAt)
    {
        _isLost = answer is null;
        if (answer is null)
            return;
        Interlocked.Exchange(ref _confirmedTicks, sentAt.Ticks);
        Interlocked.Exchange(ref _since, answer.Since);
        // While some gateways may not have registered again, the known number is a lower bound.
        if (!answer.IsCareful || answer.Gateways > _gateways)
            _gateways = answer.Gateways;
    }

    private QuotaMoment Now() => new(_time.GetElapsedTime(_start), _time.GetWallClock().UtcDateTime);

    private sealed class Lease(QuotaStore store, TenantQuota tenant, QuotaScope? model, long reserved, QuotaLevels levels)
        : QuotaLease(default, levels)
    {
        protected override void Return(long tokens)
        {
            bool isMissed;
            lock (tenant.Lock)
            {
                tenant.Settle(model, reserved, tokens, store.Now());
                isMissed = store is { _shares: not null, _isLost: false, _gateways: > 1 } && tenant.IsTight(model);
            }

            // No request waits on this gateway, but another gateway may need the capacity.
            if (isMissed)
                _ = store.ExchangeAsync(tenant);
        }
    }
}
