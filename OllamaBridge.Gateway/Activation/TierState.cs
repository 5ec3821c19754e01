namespace OllamaBridge.Gateway.Activation;

/// <summary>How a tier stands.</summary>
internal enum TierState
{
    /// <summary>No instance of it may be given work, and nobody waits for one.</summary>
    Asleep,

    /// <summary>Requests wait for an instance that is being started.</summary>
    Starting,

    /// <summary>An instance of it may be given work.</summary>
    Awake,

    /// <summary>Its instances are being emptied, to go to zero.</summary>
    Draining,
}
