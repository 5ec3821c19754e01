namespace OllamaBridge.Simulator;

/// <summary>What is wrong with a model's files (recordings 17-*).</summary>
public enum ModelDamage
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The weights are gone or cut short: listed and shown from cache, but "does not support generate" (400).</summary>
    BlobMissing,

    /// <summary>As <see cref="BlobMissing"/>, on a server that has never read it: show answers 404.</summary>
    BlobMissingUnread,

    /// <summary>The weights are garbage: loading fails (500).</summary>
    BlobCorrupt,
}
