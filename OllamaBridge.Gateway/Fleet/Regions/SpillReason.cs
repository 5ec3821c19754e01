namespace OllamaBridge.Gateway.Fleet.Regions;

/// <summary>The reason for a spill-over.</summary>
internal enum SpillReason
{
    /// <summary>No spill-over.</summary>
    None,

    /// <summary>No local instance has the model.</summary>
    Absent,

    /// <summary>No local instance with the model is usable.</summary>
    Unhealthy,

    /// <summary>The request failed on every local instance with the model.</summary>
    Failed,

    /// <summary>Every local instance with the model was busy for too long.</summary>
    Saturated,

    /// <summary>The conversation is assigned to the peer.</summary>
    Conversation,
}
