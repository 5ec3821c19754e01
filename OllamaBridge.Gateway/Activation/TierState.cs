namespace OllamaBridge.Gateway.Activation;

internal enum TierState
{
    /// <summary>No instance is usable and no request waits for one.</summary>
    Asleep,

    Starting,

    /// <summary>At least one instance is usable.</summary>
    Awake,

    Draining,
}
