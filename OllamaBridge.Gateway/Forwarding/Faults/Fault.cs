namespace OllamaBridge.Gateway.Forwarding.Faults;

/// <summary>The cause of a failed attempt. Only <see cref="Instance"/> counts towards ejection and circuit breakers.</summary>
internal enum Fault
{
    /// <summary>The client disconnected, or sent its body wrongly or too slowly.</summary>
    Client,

    /// <summary>The request fails on every instance, or an instance rejected it.</summary>
    Request,

    /// <summary>The instance failed a request that another instance serves, or is unreachable.</summary>
    Instance,

    /// <summary>The bridge could not write the request or read the response, used a stale connection or catalog, or cancelled the attempt.</summary>
    Bridge,

    /// <summary>There is no evidence: no other instance tried the request.</summary>
    Unknown,
}

internal enum OtherInstances
{
    NotAsked,

    Answered,

    FailedAlike,

    /// <summary>Other instances failed it in other ways, or rejected it.</summary>
    FailedOtherwise,
}
