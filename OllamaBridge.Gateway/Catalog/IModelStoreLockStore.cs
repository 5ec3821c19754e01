namespace OllamaBridge.Gateway.Catalog;

/// <summary>Grants one gateway at a time the right to change models in the shared model store, for a limited time.</summary>
internal interface IModelStoreLockStore
{
    /// <summary>Takes or renews the right. The writer's name is unique. After a cancellation, the right may have been taken nevertheless.</summary>
    ValueTask<ModelStoreClaim> HoldAsync(string writer, TimeSpan lifetime, CancellationToken cancellationToken);

    /// <summary>Releases the right. Has no effect if another writer has it.</summary>
    ValueTask ReleaseAsync(string writer, CancellationToken cancellationToken);
}

internal enum ModelStoreClaim
{
    Held,

    HeldElsewhere,

    Unknown,
}
