namespace OllamaBridge.Gateway.Activation;

/// <summary>Where gateways tell each other when they last used a tier. Nothing of it is asked on a request's way.</summary>
internal interface ITierStore
{
    /// <summary>Says when this gateway last used a tier, and learns when anybody did.</summary>
    /// <param name="tier">The tier's name.</param>
    /// <param name="ago">How long ago.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>How long ago anybody did; null where nobody answered: then it may be in use.</returns>
    ValueTask<TierMark?> TouchAsync(string tier, TimeSpan ago, CancellationToken cancellationToken);

    /// <summary>Notes which of a tier's instances the bridge itself drains, so that another gateway can end that if this one cannot.</summary>
    /// <param name="tier">The tier's name.</param>
    /// <param name="instances">Their names; empty for none.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Whether that is noted.</returns>
    ValueTask<bool> NoteDrainedAsync(string tier, IReadOnlyCollection<string> instances, CancellationToken cancellationToken);
}

/// <summary>What gateways say of a tier.</summary>
/// <param name="Unused">How long ago one last used it, by the store's clock.</param>
/// <param name="Drained">The instances that the bridge itself drains, or did when it was last heard.</param>
internal sealed record TierMark(TimeSpan Unused, IReadOnlyList<string> Drained);
