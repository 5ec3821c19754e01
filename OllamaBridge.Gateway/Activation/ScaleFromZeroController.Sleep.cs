namespace OllamaBridge.Gateway.Activation;

/// <content>Scaling to zero, which a waiting request cancels.</content>
internal sealed partial class ScaleFromZeroController
{
    private async Task AskUntilSomebodyComesAsync(TierObservation sight, CancellationToken cancellationToken)
    {
        using var interrupt = new CancellationTokenSource();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(interrupt.Token, cancellationToken);
        lock (_lock)
            _interrupt = interrupt;
        try
        {
            // A request that arrived before _interrupt was set did not cancel anything.
            if (queue.DemandOn(tier.Cold).Waiting == 0)
                await AskAsync(sight, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The last write may or may not have taken effect.
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
        string? reason = "the scale request failed";
        try
        {
            reason = await TrySleepAsync(scale, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            reason = "a request waits for it, or the gateway is stopping";
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

    /// <returns>The reason for staying up; null if the tier is scaled to zero.</returns>
    private async Task<string?> TrySleepAsync(TierScale scale, CancellationToken cancellationToken)
    {
        if (await MayNotSleepAsync(cancellationToken) is { } used)
            return used;
        var instances = tier.InstancesOf(fleet.Current).ToList();
        // No instance exists, so a platform that cannot be read needs no write.
        if (instances.Count == 0 && scale.Instances is null && Wanted is null)
        {
            SetWanted(0);
            return null;
        }

        if (instances.Count > 0)
        {
            _isDraining = true;
            if (!await drain.BeginAsync(instances, cancellationToken))
                return "the drain could not be shared with the other gateways";
            if (!await drain.IsEmptyAsync(cancellationToken))
                return "its instances are in use, or the drain was ended";
        }

        if (queue.DemandOn(tier.Cold).Waiting > 0)
            return "a request waits for it";
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
            return "the shared state is unavailable, so its use by other gateways is unknown";
        }

        _complained = false;
        if (unused >= tier.Options.IdleTime)
            return null;
        _sleepPause.Set(tier.Options.IdleTime - unused.Value);
        return "another gateway used it recently";
    }
}
