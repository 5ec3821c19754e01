namespace OllamaBridge.Gateway.Forwarding.Faults;

/// <summary>Whose fault it is that an attempt failed. Only <see cref="Instance"/> counts towards ejection and circuit breakers.</summary>
internal enum Fault
{
    /// <summary>The client broke off, or sent its body wrongly or too slowly.</summary>
    Client,

    /// <summary>The request fails on every instance, or an instance rejected it.</summary>
    Request,

    /// <summary>The instance failed a request that another instance answers, or can't be reached.</summary>
    Instance,

    /// <summary>The bridge: it can't write the request, can't read the response, used a stale connection or catalog, or took the request away.</summary>
    Bridge,

    /// <summary>There is no evidence: no other instance tried the request.</summary>
    Unknown,
}

/// <summary>What other instances made of the request that an instance failed.</summary>
internal enum OtherInstances
{
    /// <summary>No other instance tried it.</summary>
    NotAsked,

    /// <summary>Another instance answers it.</summary>
    Answered,

    /// <summary>Another instance failed it in the same way.</summary>
    FailedAlike,

    /// <summary>Other instances failed it in other ways, or rejected it.</summary>
    FailedOtherwise,
}
