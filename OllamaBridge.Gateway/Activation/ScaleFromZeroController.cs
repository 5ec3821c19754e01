using System.Threading.Channels;
using OllamaBridge.Gateway.Fleet;
using OpenTelemetry;

namespace OllamaBridge.Gateway.Activation;

/// <summary>The control loop of one tier: observes demand and instances, and applies the decisions of <see cref="TierPlan"/> to the platform.</summary>
/// <remarks>Steps of one tier never overlap. Tiers run independently, so an unresponsive platform delays only its own tiers.</remarks>
internal sealed class ScaleFromZeroController(
    Tier tier, TierLoad load, TierPlatform platform, ScaleToZero scaleToZero, ActivationMetrics metrics, TimeProvider time, ILogger logger)
{
    private const int MaxConflicts = 3;
    // Delay before the desired scale is read again to check that it still holds.
    private static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(5);
    // Delay before the scale is written again to a platform that cannot be read.
    private static readonly TimeSpan RewriteInterval = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LongestTick = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ShortestTick = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(15);
    private readonly Channel<bool> _wakeups = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly TierPause _pause = new(time, TimeSpan.FromSeconds(1), LongestPause);
    private readonly TierPause _refusal = new(time, TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(10));
    private readonly ActivationEpisode _episode = new(tier, time);
    private readonly Lock _lock = new();
    private CancellationTokenSource? _interrupt;
    private volatile bool _isStarting;

    public Tier Tier => tier;

    public int? Wanted => platform.Wanted;

    public string? Error => platform.Error;

    public TimeSpan Unused => load.Use.Unused;

    public TierState State => scaleToZero.IsDraining ? TierState.Draining
        : load.HasUsableInstance ? TierState.Awake
        : _isStarting ? TierState.Starting
        : TierState.Asleep;

    /// <summary>Signals that a request waits without a usable instance. Cancels scaling to zero. Does not block.</summary>
    public void NoteStarving()
    {
        lock (_lock)
            _ = _interrupt?.CancelAsync();
        Wake();
    }

    public void Wake() => _wakeups.Writer.TryWrite(true);

    /// <summary>Signals a fleet change, which triggers a step only during an activation or a drain.</summary>
    public void NoteFleet()
    {
        if (_isStarting || scaleToZero.HasDrained)
            Wake();
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
            await scaleToZero.EndDrainsAsync();
        }
    }

    internal async Task StepAsync(CancellationToken cancellationToken)
    {
        var observation = load.Observe();
        load.Use.Publish(isUrgent: observation.Starving > 0 && !_episode.IsOpen, cancellationToken);
        End(_episode.Follow(observation.Starving, observation.Usable));
        _isStarting = _episode.IsOpen;
        // Another gateway or an operator started the tier, so it is not at zero.
        if (observation.Usable > 0 && Wanted == 0 && !scaleToZero.HasDrained)
            platform.SetWanted(null);
        await scaleToZero.ReleaseAsync(_episode.Elapsed, cancellationToken);
        if (observation.Starving > 0 && _refusal.IsOn)
        {
            load.RefuseStarving(_refusal.Left);
            End(_episode.End(ActivationOutcome.Abandoned), silently: true);
            return;
        }

        // Skip the platform if no scale that it could report would change the decision.
        var isIdle = observation.Waiting == 0;
        if ((isIdle ? scaleToZero.Pause : _pause).IsOn || TierPlan.Decide(observation with { Wanted = isIdle ? Wanted : null }) is null)
            return;
        if (isIdle)
            await ScaleUntilDemandAsync(observation, cancellationToken);
        else
            await ScaleAsync(observation, cancellationToken);
    }

    /// <summary>Applies the decision to the platform. A request that starts to wait cancels it.</summary>
    private async Task ScaleUntilDemandAsync(TierObservation observation, CancellationToken cancellationToken)
    {
        using var interrupt = new CancellationTokenSource();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(interrupt.Token, cancellationToken);
        lock (_lock)
            _interrupt = interrupt;
        try
        {
            // A request that arrived before _interrupt was set did not cancel anything.
            if (load.Waiting == 0)
                await ScaleAsync(observation, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The last write may or may not have taken effect.
            platform.SetWanted(null);
        }
        finally
        {
            lock (_lock)
                _interrupt = null;
        }
    }

    private async Task ScaleAsync(TierObservation observation, CancellationToken cancellationToken)
    {
        for (var conflicts = 0; ; conflicts++)
        {
            try
            {
                await TryScaleAsync(observation, cancellationToken);
                platform.NoteSuccess();
                return;
            }
            catch (ActivationException e) when (e.Failure == ActivationFailure.Conflict && conflicts < MaxConflicts)
            {
                // Another gateway or an operator changed the scale: read it again.
            }
            catch (ActivationException e)
            {
                Fail(e, observation);
                return;
            }
        }
    }

    private async Task TryScaleAsync(TierObservation observation, CancellationToken cancellationToken)
    {
        var scale = await platform.ReadAsync(cancellationToken);
        // The platform cannot be read, so after a while the bridge repeats its last write.
        var mustRewrite = scale.Instances is null && observation.Starving > 0 && platform.SinceRaised >= RewriteInterval;
        var wanted = mustRewrite ? null : Wanted;
        _episode.IsAccepted |= wanted > 0;
        switch (TierPlan.Decide(observation with { Wanted = wanted }))
        {
            case 0:
                await scaleToZero.RunAsync(scale, cancellationToken);
                break;
            case { } instances:
                await RaiseAsync(Math.Max(instances, observation.Starving > 0 ? Wanted ?? 1 : 1), scale, observation, cancellationToken);
                break;
            default:
                _pause.Set(CheckInterval);
                break;
        }
    }

    private async Task RaiseAsync(int instances, TierScale scale, TierObservation observation, CancellationToken cancellationToken)
    {
        await platform.WriteAsync(instances, scale, cancellationToken);
        _pause.Set(CheckInterval);
        load.Use.Note();
        load.Use.Publish(isUrgent: false, cancellationToken);
        if (observation.Starving > 0)
            ActivationLog.ScaleUpRequested(logger, tier.Name, observation.Starving, instances);
        else
            ActivationLog.Grows(logger, tier.Name, instances);
        _episode.IsAccepted = true;
    }

    private void Fail(ActivationException e, TierObservation observation)
    {
        platform.NoteFailure(e.Message);
        if (observation.Starving == 0 && observation.Saturated == TimeSpan.Zero)
        {
            scaleToZero.Pause.Set();
            ActivationLog.Failed(logger, tier.Name, e.Message, scaleToZero.Pause.Left.TotalSeconds);
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
        load.RefuseStarving(_refusal.Left);
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

    private async Task WaitAsync(TimeSpan tick, CancellationToken stoppingToken)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        var due = Task.Delay(tick, time, end.Token);
        var wakeup = _wakeups.Reader.WaitToReadAsync(end.Token).AsTask();
        await Task.WhenAny(due, wakeup);
        await end.CancelAsync();
        await Task.WhenAll(due, wakeup).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stoppingToken.ThrowIfCancellationRequested();
        _wakeups.Reader.TryRead(out _);
    }
}
