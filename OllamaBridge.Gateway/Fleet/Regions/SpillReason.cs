namespace OllamaBridge.Gateway.Fleet.Regions;

internal enum SpillReason
{
    None,

    Absent,

    /// <summary>No local instance with the model is usable.</summary>
    Unhealthy,

    /// <summary>The request failed on every local instance with the model.</summary>
    Failed,

    /// <summary>Every local instance with the model was busy for too long.</summary>
    Saturated,

    Conversation,
}
