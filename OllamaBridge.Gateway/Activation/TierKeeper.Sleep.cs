namespace OllamaBridge.Gateway.Activation;

/// <content>How it goes to zero: only while nobody comes.</content>
internal sealed partial class TierKeeper
{
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
        var before = Wanted;
        await WithinAsync(gone => activator.WriteAsync(tier, 0, scale, gone), cancellationToken);
        RecordScale(before, 0);
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
}
