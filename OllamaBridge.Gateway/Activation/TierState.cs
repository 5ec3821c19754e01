namespace OllamaBridge.Gateway.Activation;

/// <summary>The state of a tier.</summary>
internal enum TierState
{
    /// <summary>No instance is usable and no request waits for one.</summary>
    Asleep,

    /// <summary>Requests wait for an instance that is starting.</summary>
    Starting,

    /// <summary>At least one instance is usable.</summary>
    Awake,

    /// <summary>The instances drain before the tier scales to zero.</summary>
    Draining,
}
