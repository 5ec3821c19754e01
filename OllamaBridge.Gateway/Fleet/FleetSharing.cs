using System.Collections.Immutable;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Exchanges the use of the fleet among gateways periodically. The request path sees only the result: an allowance at each instance.</summary>
internal sealed class FleetSharing : PeriodicService, IHostedLifecycleService
{
    private readonly IFleetStore _store;
    private readonly FleetOwner _owner;
    private readonly TimeProvider _time;
    private readonly ILogger<FleetSharing> _logger;
    private readonly SharingOptions _options;
    private SharedFleet? _seen;
    private long _receivedAt;
    private bool _isLost;
    private bool _hasFailed;
    private int _gateways = 1;
    private Moment _carefulUntil;

    public FleetSharing(IFleetStore store, FleetOwner owner, IOptions<SharingOptions> options, TimeProvider time, ILogger<FleetSharing> logger)
        : base(time)
    {
        _store = store;
        _owner = owner;
        _time = time;
        _logger = logger;
        _options = options.Value;
        // With shared state, the claims of other gateways on a new instance are read before this one takes slots.
        owner.FirstAllowance = slots => _seen is null ? int.MaxValue : _isLost ? EvenShare(slots) : 0;
    }

    public string Gateway { get; } = Guid.NewGuid().ToString("N");

    /// <summary>Exchanges state once before the first request. The store limits the duration.</summary>
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        if (!_store.IsShared)
            return;
        await ExchangeAsync(cancellationToken);
        if (_seen is null)
            return;
        await _owner.ApplyReceivedAsync(cancellationToken);
        await ExchangeAsync(cancellationToken);
    }

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Leaves the shared state, so that other gateways get this one's slots at once.</summary>
    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        if (_store.IsShared)
            await _store.LeaveAsync(Gateway, cancellationToken);
    }

    internal async Task ExchangeAsync(CancellationToken cancellationToken)
    {
        var fleet = _owner.Current;
        var directives = _owner.Directives;
        var now = _time.GetMoment();
        var wall = _time.GetWallClock();
        var report = new GatewayReport(
            Gateway,
            _options.Timeout,
            Claim(fleet, now),
            directives.Drains.LackedBy(_seen?.Drains ?? [], wall),
            directives.Members.LackedBy(_seen?.Members ?? [], wall),
            [.. directives.Ejections.Where(e => e.Until > now).Select(e => new EjectionMark(e.Instance, Gateway, e.Until - now, e.Incarnation))]);
        if (await TryExchangeAsync(report, cancellationToken) is { } seen)
            Take(seen, fleet, now);
        else if (_isLost || (_seen is not null && _time.GetElapsedTime(_receivedAt) >= _options.Timeout))
            FallBack(fleet);
    }

    protected override TimeSpan Interval => _options.Interval;

    protected override bool IsEnabled => _store.IsShared;

    protected override async Task<bool> RunOnceAsync(CancellationToken cancellationToken)
    {
        await ExchangeAsync(cancellationToken);
        return true;
    }

    private async ValueTask<SharedFleet?> TryExchangeAsync(GatewayReport report, CancellationToken cancellationToken)
    {
        try
        {
            var seen = await _store.ExchangeAsync(report, cancellationToken);
            _hasFailed &= seen is null;
            return seen;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The shared state has content that no gateway wrote; that must not stop this one.
            if (!_hasFailed)
                FleetLog.ExchangeFailed(_logger, e);
            _hasFailed = true;
            return null;
        }
    }

    /// <summary>The slots to claim. A claim is given up before the report is sent: two gateways never count on the same slot.</summary>
    private ImmutableArray<SlotReport> Claim(FleetSnapshot fleet, Moment now)
    {
        var waiting = Waiting(fleet);
        var gateways = Gateways();
        var claims = _seen?.Claims.Where(c => c.Gateway != Gateway).ToLookup(c => c.Instance, StringComparer.Ordinal);
        var demands = new int[gateways.Length];
        var shares = new int[gateways.Length];
        var me = gateways.IndexOf(Gateway);
        var reports = ImmutableArray.CreateBuilder<SlotReport>(fleet.Instances.Length);
        foreach (var view in fleet.Instances)
        {
            var instance = view.Instance;
            var waits = waiting.GetValueOrDefault(instance);
            // While the store is lost: an even share. Before the first exchange: no claim beyond the slots in use.
            var asked = _isLost ? EvenShare(instance.Slots) : 0;
            if (claims is not null && !_isLost)
            {
                Array.Clear(demands);
                foreach (var claim in claims[instance.Name])
                    if (gateways.IndexOf(claim.Gateway) is >= 0 and var at)
                        demands[at] = claim.Used + claim.Waiting;
                demands[me] = instance.SlotsUsed + waits;
                SlotShares.Divide(instance.Slots, demands, Turn(instance), shares);
                asked = shares[me];
                if (now < _carefulUntil)
                    asked = Math.Min(asked, EvenShare(instance.Slots));
                if (asked < instance.Allowance)
                    instance.Allowance = asked;
            }

            reports.Add(new SlotReport(instance.Name, instance.Slots, instance.SlotsUsed, waits, asked));
        }

        return reports.MoveToImmutable();
    }

    private void Take(SharedFleet seen, FleetSnapshot fleet, Moment now)
    {
        var first = _seen is null;
        // Other gateways were cut off as well and will reconnect soon, with requests that are not visible yet.
        if (_isLost)
            _carefulUntil = now + _options.Timeout;
        _isLost = false;
        _receivedAt = _time.GetTimestamp();
        _seen = seen;
        if (now >= _carefulUntil || seen.Gateways.Length > _gateways)
            _gateways = seen.Gateways.Length;
        var claims = seen.Claims.ToLookup(c => c.Instance, StringComparer.Ordinal);
        var raised = false;
        foreach (var view in fleet.Instances)
        {
            var (mine, elsewhere) = (0, 0);
            foreach (var claim in claims[view.Instance.Name])
                if (claim.Gateway == Gateway)
                    mine = claim.Claim;
                else
                    elsewhere += claim.Used;
            view.Instance.UsedElsewhere = elsewhere;
            // The first exchange only shows which gateways exist; the next one claims the remaining slots.
            if (first)
                continue;
            raised |= mine > view.Instance.Allowance;
            view.Instance.Allowance = mine;
        }

        _owner.MergePeerState(new PeerStateReceived(seen.Drains, seen.Members, [.. seen.Ejections.Where(e => e.Gateway != Gateway)]));
        if (raised)
            _owner.NotifySlotsAvailable();
    }

    /// <summary>Without shared state, each gateway takes an even share, at least one slot, as if all last known gateways were still running.</summary>
    private void FallBack(FleetSnapshot fleet)
    {
        _isLost = true;
        var raised = false;
        foreach (var view in fleet.Instances)
        {
            var share = EvenShare(view.Instance.Slots);
            raised |= share > view.Instance.Allowance;
            view.Instance.UsedElsewhere = 0;
            view.Instance.Allowance = share;
        }

        if (raised)
            _owner.NotifySlotsAvailable();
    }

    private int EvenShare(int slots) => Math.Max(1, slots / _gateways);

    private long Turn(Instance instance) => (_seen!.Time.ToUnixTimeMilliseconds() / (long)_options.Turn.TotalMilliseconds) + instance.Seed;

    private ImmutableArray<string> Gateways()
    {
        var all = _seen?.Gateways ?? [];
        return all.Contains(Gateway) ? all : [.. all.Append(Gateway).Order(StringComparer.Ordinal)];
    }

    private static Dictionary<Instance, int> Waiting(FleetSnapshot fleet)
    {
        var waiting = new Dictionary<Instance, int>();
        foreach (var model in fleet.Models.Values.Append(fleet.Anything))
            if (model.State.Waiting is > 0 and var count)
                foreach (var placement in model.Usable)
                    waiting[placement.Instance] = waiting.GetValueOrDefault(placement.Instance) + count;
        return waiting;
    }
}
