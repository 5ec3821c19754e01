using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.State;

namespace OllamaBridge.Gateway.Admission;

/// <summary>
/// Counts what tenants use at this gateway, while it runs. Where there are others, it counts within what it has claimed of each limit, and
/// asks for more beforehand; a request waits for an answer only where what was claimed does not suffice.
/// </summary>
/// <remarks>One lock for each tenant: its own limits and those for single models are taken together or not at all.</remarks>
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
    private long _heardTicks;
    private volatile int _gateways = 1;
    private volatile bool _isLost;
    private volatile bool _complained;

    /// <summary>Counts for this gateway alone, or within what several have.</summary>
    /// <param name="shares">Where gateways divide limits.</param>
    /// <param name="gateway">This process, as others see it.</param>
    /// <param name="sharing">How often they talk.</param>
    /// <param name="state">How long a request may wait for them.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Where what cannot be read is told of.</param>
    public QuotaStore(IQuotaShares shares, string gateway, IOptions<SharingOptions> sharing, IOptions<StateOptions> state, TimeProvider time, ILogger<QuotaStore> logger)
    {
        _shares = shares.IsShared ? shares : null;
        _gateway = gateway;
        (_timeout, _interval, _patience) = (sharing.Value.Timeout, sharing.Value.Interval, state.Value.OperationTimeout);
        (_time, _logger, _start) = (time, logger, time.GetTimestamp());
        _create = id => new TenantQuota(id, _timeout);
        _lease = (tenant, model, tokens, levels) => new Lease(this, tenant, model, tokens, levels);
    }

    /// <summary>Whether there are other gateways to talk to.</summary>
    public bool IsShared => _shares is not null;

    /// <summary>How many gateways are there, or were when that was last known.</summary>
    public int Gateways => _gateways;

    /// <inheritdoc/>
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
                // Read inside the lock, so that a tenant's time does not go back.
                var now = Now();
                var knowledge = _shares is null ? QuotaKnowledge.Alone : _isLost ? QuotaKnowledge.Lost : QuotaKnowledge.Claims;
                // Nobody overtakes those who wait.
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

    /// <summary>An interval has passed: says what has changed, and looks whether anybody is there.</summary>
    public async Task TickAsync(CancellationToken cancellationToken)
    {
        if (_shares is null)
            return;
        if (_isLost || Now().Elapsed.Ticks - Interlocked.Read(ref _heardTicks) >= _timeout.Ticks / 3)
            await GreetAsync(cancellationToken);
        if (!_isLost)
            await ExchangeAllAsync(drop: true);
    }

    /// <summary>Is seen, and sees who is there.</summary>
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

    /// <summary>This gateway stops: what it has not used is the others'.</summary>
    public async Task LeaveAsync()
    {
        if (_shares is null || _isLost)
            return;
        // Nobody has come lately, as nobody will.
        foreach (var tenant in _tenants.Values)
            lock (tenant.Lock)
                tenant.Rest();
        await ExchangeAllAsync(drop: false);
    }

    /// <summary>What is counted for a tenant; for tests.</summary>
    /// <param name="tenant">Whose.</param>
    /// <param name="model">Canonical model name; null for all together.</param>
    /// <param name="read">Reads it while nobody changes it.</param>
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

    /// <summary>Says what a tenant has used here and asks for what is needed, again and again while somebody waits; one at a time.</summary>
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
            TimeSpan saidAt;
            lock (tenant.Lock)
            {
                var now = Now();
                saidAt = now.Elapsed;
                report = tenant.Report(_gateway, Interlocked.Increment(ref _sequence), _gateways, now);
            }

            var answer = await TryExchangeAsync(report, CancellationToken.None);
            Note(answer, saidAt);
            lock (tenant.Lock)
            {
                if (answer is not null)
                    tenant.Hear(report, answer, saidAt);
                Answer(tenant, answer is null ? QuotaKnowledge.Lost : QuotaKnowledge.Answered);
                isDone = tenant.Waiting.Count == 0;
                tenant.IsExchanging = !isDone;
            }
        }
        while (!isDone);
    }

    /// <summary>Decides those that have been asked for, in the order in which they came; all where nobody answers.</summary>
    private void Answer(TenantQuota tenant, QuotaKnowledge knowledge)
    {
        while (tenant.Waiting.First is { } first && (first.Value.IsAsked || knowledge == QuotaKnowledge.Lost))
        {
            tenant.Waiting.RemoveFirst();
            var now = Now();
            var lease = tenant.Decide(first.Value.Demand, knowledge, _gateways, now, _lease)!;
            if (knowledge == QuotaKnowledge.Answered)
                tenant.Remember(lease, first.Value.Demand, now.Elapsed + _interval);
            first.Value.SetResult(lease);
        }
    }

    private async ValueTask<QuotaAnswer?> TryExchangeAsync(QuotaReport report, CancellationToken cancellationToken)
    {
        try
        {
            var answer = await _shares!.ExchangeAsync(report, cancellationToken);
            _complained &= answer is null;
            return answer;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // Whatever stands there, it is not what gateways say; that must not end this one.
            if (!_complained)
                AdmissionLog.ExchangeFailed(_logger, e);
            _complained = true;
            return null;
        }
    }

    private void Note(QuotaAnswer? answer, TimeSpan saidAt)
    {
        _isLost = answer is null;
        if (answer is null)
            return;
        Interlocked.Exchange(ref _heardTicks, saidAt.Ticks);
        Interlocked.Exchange(ref _since, answer.Since);
        // While some may not have said that they are there, those that were still are.
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

            // Nobody waits for it here, but somebody elsewhere may.
            if (isMissed)
                _ = store.ExchangeAsync(tenant);
        }
    }
}
