namespace OllamaBridge.Gateway.Catalog;

internal enum FallbackCause
{
    /// <summary>No instance has the model, or none that has it is usable.</summary>
    Unavailable,

    Failed,

    /// <summary>The model's instances are busy for longer than the fallback's.</summary>
    Busy,

    TooLong,
}
