using System.Threading.Channels;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Queueing;
using OpenTelemetry;

namespace OllamaBridge.Gateway.Activation;

/// <summary>The control loop of one tier: observes demand and instances, and applies the decisions of <see cref="TierPlan"/> to the platform.</summary>
/// <remarks>Steps of one tier never overlap. Tiers run independently, so an unresponsive platform delays only its own tiers.</remarks>
internal sealed partial class ScaleFromZeroController(
    Tier tier,
    IInstanceActivator activator,
    IFleet fleet,
    RequestQueue queue,
    TierUse use,
    TierDrain drain,
    ActivationMetrics metrics,
    TimeProvider time,
    ILogger logger,
    AuditTrail? audit = null)
{
    private const int Unknown = -1;
    private static readonly TimeSpan LongestTick = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ShortestTick = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(15);
    private readonly Channel<bool> _looks = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly TierPause _pause = new(time, TimeSpan.FromSeconds(1), LongestPause);
    private readonly TierPause _refusal = new(time, TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(10));
    private readonly TierPause _sleepPause = new(time, TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(30));
    private readonly ActivationEpisode _episode = new(tier, time);
    private readonly Lock _lock = new();
    private CancellationTokenSource? _interrupt;
    private int _wanted = Unknown;
    private long _writtenAt;
    private long _saturatedSince;
    private bool _complained;
    private volatile string? _error;
    private volatile bool _isStarting;
    private volatile bool _isDraining;

    public Tier Tier => tier;

    /// <summary>The desired number of instances on the platform; null if unknown.</summary>
    public int? Wanted => Volatile.Read(ref _wanted) is >= 0 and var wanted ? wanted : null;

    /// <summary>The reason why the last request to the platform failed; null if it succeeded.</summary>
    public string? Error => _error;

    /// <summary>Time since this gateway last used the tier.</summary>
    public TimeSpan Unused => use.Unused;

    public TierState State => _isDraining ? TierState.Draining
        : tier.InstancesOf(fleet.Current).Any(v => v.IsUsable) ? TierState.Awake
        : _isStarting ? TierState.Starting
        : TierState.Asleep;

    /// <summary>Signals that a request waits without a usable instance. Cancels scaling to zero. Does not block.</summary>
    public void Starve()
    {
        lock (_lock)
            _ = _interrupt?.CancelAsync();
        Look();
    }

    public void Look() => _looks.Writer.TryWrite(true);

    /// <summary>Signals a fleet change, which triggers a step only during an activation or a drain.</summary>
    public void NoteFleet()
    {
        if (_isStarting || drain.Any)
            Look();
    }

    public async Task RunAsync(CancellationToken stoppingToken)
    {
        // Requests to the platform belong to no client request, so they are not traced.
        using var quiet = SuppressInstrumentationScope.Begin();
        var tick = TimeSpan.FromTicks(Math.Clamp(tier.Options.IdleTime.Ticks / 4, ShortestTick.Ticks, LongestTick.Ticks));
        try
        {
            while (true)
            {
                await WaitAsync(tick, stoppingToken);
                try
                {
                    await StepAsync(stoppingToken);
                }
                catch (Exception e) when (!stoppingToken.IsCancellationRequested)
                {
                    ActivationLog.KeeperFailed(logger, tier.Name, e);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The service stops.
        }
        finally
        {
            await drain.EndAsync();
        }
    }

    internal async Task StepAsync(CancellationToken cancellationToken)
    {
        var demand = queue.DemandOn(tier.Cold);
        var instances = tier.InstancesOf(fleet.Current).ToList();
        use.Note(demand, instances);
        use.Tell(isUrgent: demand.Starving > 0 && !_episode.IsOpen, cancellationToken);
        var sight = See(demand, instances);
        End(_episode.Follow(demand.Starving, sight.Usable));
        _isStarting = _episode.IsOpen;
        // Another gateway or an operator started the tier, so it is not at zero.
        if (sight.Usable > 0 && Wanted == 0 && !drain.Any)
            SetWanted(null);
        await drain.ReleaseAsync(_episode.Elapsed, use.Drained, cancellationToken);
        if (demand.Starving > 0 && _refusal.IsOn)
        {
            queue.RefuseStarving(tier.Cold, _refusal.Left);
            End(_episode.End(ActivationOutcome.Abandoned), silently: true);
            return;
        }

        // Skip the platform if no scale that it could report would change the decision.
        var isIdle = demand.Waiting == 0;
        if ((isIdle ? _sleepPause : _pause).IsOn || TierPlan.Decide(sight with { Wanted = isIdle ? Wanted : null }) is null)
            return;
        if (isIdle)
            await AskUntilSomebodyComesAsync(sight, cancellationToken);
        else
            await AskAsync(sight, cancellationToken);
    }

    private TierObservation See(TierDemand demand, List<InstanceView> instances)
    {
        var usable = instances.Where(v => v.IsUsable).ToList();
        var isSaturated = demand.Waiting > demand.Starving && usable.Count > 0
            && usable.TrueForAll(v => v.Instance.SlotsUsed + v.Instance.UsedElsewhere >= v.Instance.Slots);
        if (!isSaturated)
            _saturatedSince = 0;
        else if (_saturatedSince == 0)
            _saturatedSince = Math.Max(1, time.GetTimestamp());
        return new TierObservation
        {
            Starving = demand.Starving,
            Usable = usable.Count,
            Max = tier.Options.MaxInstances,
            Saturated = isSaturated ? time.GetElapsedTime(_saturatedSince) : TimeSpan.Zero,
            Unused = use.Unused,
            IdleTime = tier.Options.IdleTime,
        };
    }

    private void End((ActivationOutcome Outcome, TimeSpan Elapsed)? ended, bool silently = false)
    {
        if (ended is not { } end || silently)
            return;
        metrics.RecordActivation(tier.Name, end.Outcome);
        if (end.Outcome == ActivationOutcome.Succeeded)
            ActivationLog.Awake(logger, tier.Name, Math.Round(end.Elapsed.TotalSeconds, 3));
        else if (end.Outcome is ActivationOutcome.Late or ActivationOutcome.Failed)
            ActivationLog.Late(logger, tier.Name, Math.Round(end.Elapsed.TotalSeconds, 3));
        _pause.Clear();
    }

    private void SetWanted(int? instances) => Volatile.Write(ref _wanted, instances ?? Unknown);

    private async Task WaitAsync(TimeSpan tick, CancellationToken stoppingToken)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        var due = Task.Delay(tick, time, end.Token);
        var look = _looks.Reader.WaitToReadAsync(end.Token).AsTask();
        await Task.WhenAny(due, look);
        await end.CancelAsync();
        await Task.WhenAll(due, look).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stoppingToken.ThrowIfCancellationRequested();
        _looks.Reader.TryRead(out _);
    }
}
