namespace OllamaBridge.Gateway.Activation;

/// <summary>Shares between gateways when each tier was last used. Not called on the request path.</summary>
internal interface ITierStore
{
    /// <summary>Publishes the time since this gateway last used a tier.</summary>
    /// <returns>The shared record; null if the store is unavailable, in which case another gateway may use the tier.</returns>
    ValueTask<TierMark?> TouchAsync(string tier, TimeSpan ago, CancellationToken cancellationToken);

    /// <summary>Replaces the names of the instances that the bridge itself drains, so that another gateway can end the drains if this one dies.</summary>
    /// <returns>False if the store is unavailable.</returns>
    ValueTask<bool> NoteDrainedAsync(string tier, IReadOnlyCollection<string> instances, CancellationToken cancellationToken);
}

/// <summary><paramref name="Unused"/> is over all gateways, by the store's clock; <paramref name="Drained"/> names instances that the bridge drains.</summary>
internal sealed record TierMark(TimeSpan Unused, IReadOnlyList<string> Drained);
