namespace OllamaBridge.Simulator;

/// <summary>The damage of a model's files (recordings 17-*).</summary>
public enum ModelDamage
{
    /// <summary>No damage.</summary>
    None,

    /// <summary>The weights are missing or truncated: listed and shown from cache, but "does not support generate" (400).</summary>
    BlobMissing,

    /// <summary>As <see cref="BlobMissing"/>, on a server that has never read it: show responds 404.</summary>
    BlobMissingUnread,

    /// <summary>The weights are invalid: loading fails (500).</summary>
    BlobCorrupt,
}
