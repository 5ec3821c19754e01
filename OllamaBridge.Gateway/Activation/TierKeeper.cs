using System.Threading.Channels;
using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Telemetry;
using OpenTelemetry;

namespace OllamaBridge.Gateway.Activation;

/// <summary>Sees to one tier: looks at who waits and what runs, and asks the platform for what <see cref="TierPlan"/> decides.</summary>
/// <remarks>One step at a time, and each tier for itself: a platform that does not answer holds up no other.</remarks>
internal sealed class TierKeeper(
    Tier tier,
    IInstanceActivator activator,
    IFleet fleet,
    RequestQueue queue,
    TierUse use,
    TierDrain drain,
    BridgeMetrics metrics,
    TimeProvider time,
    ILogger logger)
{
    /// <summary>How long one question to the platform may take.</summary>
    public static readonly TimeSpan AskTimeout = TimeSpan.FromSeconds(10);

    private const int MaxConflicts = 3;
    private static readonly TimeSpan LongestTick = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ShortestTick = TimeSpan.FromMilliseconds(25);
    // Whether what was asked for is still to be.
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(5);
    // A platform that is told, not asked, is told anew.
    private static readonly TimeSpan TellAgain = TimeSpan.FromSeconds(30);
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

    private const int Unknown = -1;

    /// <summary>Which.</summary>
    public Tier Tier => tier;

    /// <summary>How many instances the platform is to have, as far as this gateway knows; null where it does not.</summary>
    public int? Wanted => Volatile.Read(ref _wanted) is >= 0 and var wanted ? wanted : null;

    /// <summary>Why the platform did not do what it was last asked; null where it did.</summary>
    public string? Error => _error;

    /// <summary>How long ago the tier was last used here.</summary>
    public TimeSpan Unused => use.Unused;

    /// <summary>How it stands.</summary>
    public TierState State => _isDraining ? TierState.Draining
        : tier.InstancesOf(fleet.Current).Any(v => v.IsUsable) ? TierState.Awake
        : _isStarting ? TierState.Starting
        : TierState.Asleep;

    /// <summary>Somebody waits for it in vain. Costs the caller nothing but the word.</summary>
    public void Starve()
    {
        lock (_lock)
            _ = _interrupt?.CancelAsync();
        Look();
    }

    /// <summary>Something has changed.</summary>
    public void Look() => _looks.Writer.TryWrite(true);

    /// <summary>The fleet has changed: of interest while something is awaited of it.</summary>
    public void NoteFleet()
    {
        if (_isStarting || drain.Any)
            Look();
    }

    /// <summary>Keeps it until the gateway stops.</summary>
    public async Task RunAsync(CancellationToken stoppingToken)
    {
        // What it asks makes no traces: it belongs to no request.
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

    /// <summary>One step.</summary>
    internal async Task StepAsync(CancellationToken cancellationToken)
    {
        var demand = queue.DemandOn(tier.Cold);
        var instances = tier.InstancesOf(fleet.Current).ToList();
        use.Note(demand, instances);
        use.Tell(isUrgent: demand.Starving > 0 && !_episode.IsOpen, cancellationToken);
        var sight = See(demand, instances);
        End(_episode.Follow(demand.Starving, sight.Usable));
        _isStarting = _episode.IsOpen;
        // Whoever else has started it: it is not at zero.
        if (sight.Usable > 0 && Wanted == 0 && !drain.Any)
            SetWanted(null);
        await drain.ReleaseAsync(_episode.Elapsed, use.Drained, cancellationToken);
        if (demand.Starving > 0 && _refusal.IsOn)
        {
            queue.RefuseStarving(tier.Cold, _refusal.Left);
            End(_episode.End(ActivationOutcome.Abandoned), silently: true);
            return;
        }

        // The platform is asked only where its answer could make a difference.
        var isIdle = demand.Waiting == 0;
        if ((isIdle ? _sleepPause : _pause).IsOn || TierPlan.Decide(sight with { Wanted = isIdle ? Wanted : null }) is null)
            return;
        if (isIdle)
            await AskUntilSomebodyComesAsync(sight, cancellationToken);
        else
            await AskAsync(sight, cancellationToken);
    }

    private async Task AskUntilSomebodyComesAsync(TierSight sight, CancellationToken cancellationToken)
    {
        using var interrupt = new CancellationTokenSource();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(interrupt.Token, cancellationToken);
        lock (_lock)
            _interrupt = interrupt;
        try
        {
            // Who came before that was set did not interrupt anything.
            if (queue.DemandOn(tier.Cold).Waiting == 0)
                await AskAsync(sight, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // What was said last may have been heard, or not.
            SetWanted(null);
        }
        finally
        {
            lock (_lock)
                _interrupt = null;
        }
    }

    private TierSight See(TierDemand demand, List<InstanceView> instances)
    {
        var usable = instances.Where(v => v.IsUsable).ToList();
        var isSaturated = demand.Waiting > demand.Starving && usable.Count > 0
            && usable.TrueForAll(v => v.Instance.SlotsUsed + v.Instance.UsedElsewhere >= v.Instance.Slots);
        if (!isSaturated)
            _saturatedSince = 0;
        else if (_saturatedSince == 0)
            _saturatedSince = Math.Max(1, time.GetTimestamp());
        return new TierSight
        {
            Starving = demand.Starving,
            Usable = usable.Count,
            Max = tier.Options.MaxInstances,
            Saturated = isSaturated ? time.GetElapsedTime(_saturatedSince) : TimeSpan.Zero,
            Unused = use.Unused,
            IdleTime = tier.Options.IdleTime,
        };
    }

    private async Task AskAsync(TierSight sight, CancellationToken cancellationToken)
    {
        for (var conflicts = 0; ; conflicts++)
        {
            try
            {
                var scale = await WithinAsync(gone => activator.ReadAsync(tier, gone), cancellationToken);
                if (scale.Instances is { } told)
                    SetWanted(told);
                // Nobody can be asked whether what was said is still so.
                var isForgotten = scale.Instances is null && sight.Starving > 0 && time.GetElapsedTime(_writtenAt) >= TellAgain;
                var wanted = isForgotten ? null : Wanted;
                _episode.Asked |= wanted > 0;
                switch (TierPlan.Decide(sight with { Wanted = wanted }))
                {
                    case 0:
                        await SleepAsync(scale, cancellationToken);
                        break;
                    case { } instances:
                        await RaiseAsync(Math.Max(instances, sight.Starving > 0 ? Wanted ?? 1 : 1), scale, sight, cancellationToken);
                        break;
                    default:
                        _pause.Set(Again);
                        break;
                }

                _error = null;
                return;
            }
            catch (ActivationException e) when (e.Failure == ActivationFailure.Conflict && conflicts < MaxConflicts)
            {
                // Another gateway, or an operator: what it is now is read again.
            }
            catch (ActivationException e)
            {
                Fail(e, sight);
                return;
            }
        }
    }

    private async Task RaiseAsync(int instances, TierScale scale, TierSight sight, CancellationToken cancellationToken)
    {
        await WithinAsync(gone => activator.WriteAsync(tier, instances, scale, gone), cancellationToken);
        SetWanted(instances);
        _writtenAt = time.GetTimestamp();
        _pause.Set(Again);
        use.Note();
        use.Tell(isUrgent: false, cancellationToken);
        if (sight.Starving > 0)
            ActivationLog.Asked(logger, tier.Name, sight.Starving, instances);
        else
            ActivationLog.Grows(logger, tier.Name, instances);
        _episode.Asked = true;
    }

    private async Task SleepAsync(TierScale scale, CancellationToken cancellationToken)
    {
        string? reason = "it could not be ended";
        try
        {
            reason = await TrySleepAsync(scale, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            reason = "somebody asks for it, or the gateway stops";
            throw;
        }
        finally
        {
            if (reason is not null && drain.Any)
            {
                await drain.EndAsync();
                ActivationLog.Stays(logger, tier.Name, reason);
            }

            _isDraining = false;
        }
    }

    /// <returns>Why not; null where it goes to zero.</returns>
    private async Task<string?> TrySleepAsync(TierScale scale, CancellationToken cancellationToken)
    {
        if (await MayNotSleepAsync(cancellationToken) is { } used)
            return used;
        var instances = tier.InstancesOf(fleet.Current).ToList();
        // A platform that is only told has nothing to be told where nothing is.
        if (instances.Count == 0 && scale.Instances is null && Wanted is null)
        {
            SetWanted(0);
            return null;
        }

        if (instances.Count > 0)
        {
            _isDraining = true;
            if (!await drain.BeginAsync(instances, cancellationToken))
                return "the other gateways cannot be told";
            if (!await drain.IsEmptyAsync(cancellationToken))
                return "it is in use";
        }

        if (queue.DemandOn(tier.Cold).Waiting > 0)
            return "somebody asks for it";
        if (await MayNotSleepAsync(cancellationToken) is { } usedMeanwhile)
            return usedMeanwhile;
        ActivationLog.Sleeps(logger, tier.Name, Math.Round(use.Unused.TotalSeconds, 3));
        await WithinAsync(gone => activator.WriteAsync(tier, 0, scale, gone), cancellationToken);
        SetWanted(0);
        drain.NoteLeaving();
        return null;
    }

    private async Task<string?> MayNotSleepAsync(CancellationToken cancellationToken)
    {
        var unused = await use.AskAsync(cancellationToken);
        if (unused is null)
        {
            if (!_complained)
                ActivationLog.UseUnknown(logger, tier.Name);
            _complained = true;
            _sleepPause.Set();
            return "the shared state does not tell whether other gateways use it";
        }

        _complained = false;
        if (unused >= tier.Options.IdleTime)
            return null;
        _sleepPause.Set(tier.Options.IdleTime - unused.Value);
        return "another gateway uses it";
    }

    private void Fail(ActivationException e, TierSight sight)
    {
        _error = e.Message;
        if (sight.Starving == 0 && sight.Saturated == TimeSpan.Zero)
        {
            _sleepPause.Set();
            ActivationLog.Failed(logger, tier.Name, e.Message, _sleepPause.Left.TotalSeconds);
            return;
        }

        if (e.Failure != ActivationFailure.Refused)
        {
            _pause.Set();
            ActivationLog.Failed(logger, tier.Name, e.Message, Math.Round(_pause.Left.TotalSeconds, 3));
            return;
        }

        ActivationLog.Refused(logger, tier.Name, e.Message);
        _refusal.Set();
        _pause.Set(_refusal.Left);
        queue.RefuseStarving(tier.Cold, _refusal.Left);
        End(_episode.End(ActivationOutcome.Refused));
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

    private async Task WithinAsync(Func<CancellationToken, Task> ask, CancellationToken cancellationToken) => await WithinAsync(
        async gone =>
        {
            await ask(gone);
            return true;
        },
        cancellationToken);

    private async Task<T> WithinAsync<T>(Func<CancellationToken, Task<T>> ask, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(AskTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            return await ask(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ActivationException(ActivationFailure.Failed, $"no answer within {AskTimeout.TotalSeconds} s");
        }
    }

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
