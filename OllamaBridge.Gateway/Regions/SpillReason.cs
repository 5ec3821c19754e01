namespace OllamaBridge.Gateway.Regions;

/// <summary>Why a request goes to another region.</summary>
internal enum SpillReason
{
    /// <summary>It does not.</summary>
    None,

    /// <summary>No instance here has the model.</summary>
    Absent,

    /// <summary>None that has it can be given work.</summary>
    Unhealthy,

    /// <summary>All that have it have failed the request.</summary>
    Failed,

    /// <summary>All that have it were busy for too long.</summary>
    Saturated,

    /// <summary>Its conversation is at home there.</summary>
    Conversation,
}
