using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Activation;

/// <summary>Scales a tier to zero: checks its use by all gateways, drains its instances, and writes the scale.</summary>
internal sealed class ScaleToZero(Tier tier, TierLoad load, TierDrain drain, TierPlatform platform, TimeProvider time, ILogger logger)
{
    private bool _isUseUnknown;
    private volatile bool _isDraining;

    public bool IsDraining => _isDraining;

    public TierPause Pause { get; } = new(time, TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(30));

    public bool HasDrained => drain.Any;

    public async Task RunAsync(TierScale scale, CancellationToken cancellationToken)
    {
        string? reason = "the scale request failed";
        try
        {
            reason = await TryAsync(scale, cancellationToken);
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

    public Task ReleaseAsync(TimeSpan starvingFor, CancellationToken cancellationToken) => drain.ReleaseAsync(starvingFor, load.Use.Drained, cancellationToken);

    public Task EndDrainsAsync() => drain.EndAsync();

    /// <returns>The reason for staying up; null if the tier is scaled to zero.</returns>
    private async Task<string?> TryAsync(TierScale scale, CancellationToken cancellationToken)
    {
        if (await ReasonToStayAsync(cancellationToken) is { } used)
            return used;
        var instances = load.Instances.ToList();
        // No instance exists, so a platform that cannot be read needs no write.
        if (instances.Count == 0 && scale.Instances is null && platform.Wanted is null)
        {
            platform.SetWanted(0);
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

        if (load.Waiting > 0)
            return "a request waits for it";
        if (await ReasonToStayAsync(cancellationToken) is { } usedMeanwhile)
            return usedMeanwhile;
        ActivationLog.Sleeps(logger, tier.Name, Math.Round(load.Use.Unused.TotalSeconds, 3));
        await platform.WriteAsync(0, scale, cancellationToken);
        drain.NoteLeaving();
        return null;
    }

    private async Task<string?> ReasonToStayAsync(CancellationToken cancellationToken)
    {
        var unused = await load.Use.ExchangeAsync(cancellationToken);
        if (unused is null)
        {
            if (!_isUseUnknown)
                ActivationLog.UseUnknown(logger, tier.Name);
            _isUseUnknown = true;
            Pause.Set();
            return "the shared state is unavailable, so its use by other gateways is unknown";
        }

        _isUseUnknown = false;
        if (unused >= tier.Options.IdleTime)
            return null;
        Pause.Set(tier.Options.IdleTime - unused.Value);
        return "another gateway used it recently";
    }
}
