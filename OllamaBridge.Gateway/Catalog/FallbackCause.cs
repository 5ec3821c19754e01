namespace OllamaBridge.Gateway.Catalog;

internal enum FallbackCause
{
    Unavailable,

    Failed,

    /// <summary>The model's instances are busy for longer than the fallback's.</summary>
    Busy,

    TooLong,
}
