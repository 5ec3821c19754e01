namespace OllamaBridge.Gateway.Catalog;

/// <summary>Grants one gateway at a time the right to change models in the shared model store, for a limited time.</summary>
internal interface IModelStoreLockStore
{
    /// <summary>Takes or renews the right.</summary>
    /// <param name="writer">The writer's name, which no other change has or had.</param>
    /// <param name="lifetime">The time after which the right expires if it is not renewed.</param>
    /// <param name="cancellationToken">Cancels the call. The right may have been taken nevertheless.</param>
    ValueTask<ModelStoreClaim> HoldAsync(string writer, TimeSpan lifetime, CancellationToken cancellationToken);

    /// <summary>Releases the right. Has no effect if another writer has it.</summary>
    ValueTask ReleaseAsync(string writer, CancellationToken cancellationToken);
}

/// <summary>The result of taking the right to write.</summary>
internal enum ModelStoreClaim
{
    Held,

    HeldElsewhere,

    /// <summary>The store did not respond.</summary>
    Unknown,
}
