namespace OllamaBridge.Gateway.Catalog;

/// <summary>The reason to use a fallback model.</summary>
internal enum FallbackCause
{
    /// <summary>No instance has the model, or none that has it is usable.</summary>
    Unavailable,

    Failed,

    /// <summary>The model's instances are busy for longer than the fallback's.</summary>
    Busy,

    /// <summary>The request is longer than the model's context.</summary>
    TooLong,
}
