using OllamaBridge.Gateway.Discovery;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>The fleet, as the rest of the gateway uses it.</summary>
internal interface IFleet
{
    /// <summary>The newest snapshot. Reading it costs one memory access.</summary>
    FleetSnapshot Current { get; }

    /// <summary>Raised after a new snapshot has become current, on the owner's thread.</summary>
    event Action? Changed;

    /// <summary>Reports a failed request that the instance, not the request, caused. <paramref name="model"/> is null for a request without one.</summary>
    void ReportFailure(Instance instance, InstanceFailure failure, ModelState? model = null);

    /// <summary>Reports a request that an instance served correctly.</summary>
    void ReportSuccess(Instance instance);

    /// <summary>Starts or ends a drain: the instance finishes its requests and gets no new ones. The name is case-insensitive.</summary>
    /// <returns>Completes once it is in the snapshot. False if there is no such instance, and no drained one that is absent.</returns>
    Task<bool> SetDrainingAsync(string name, bool draining, CancellationToken cancellationToken);

    /// <summary>Starts a drain with a deadline: responses still running shortly before it are resumed on other instances, if possible.</summary>
    /// <returns>Completes once it is in the snapshot. False if there is no such instance.</returns>
    Task<bool> DrainUntilAsync(string name, DateTimeOffset deadline, CancellationToken cancellationToken);

    /// <summary>Adds an instance at run time, or changes an added one. Gateways with the same shared state follow.</summary>
    /// <returns>The outcome, once the instance is in the snapshot and its first probe has ended.</returns>
    Task<MemberChange> AddAsync(InstanceDefinition definition, CancellationToken cancellationToken);

    /// <summary>Removes an instance that was added at run time. Its requests run to their end.</summary>
    /// <returns>The outcome, once the instance is no longer in the snapshot.</returns>
    Task<MemberChange> RemoveAsync(string name, CancellationToken cancellationToken);

    /// <summary>Requests a probe soon, because a response shows that the instance's models in memory have changed.</summary>
    void RequestProbe(Instance instance);

    /// <summary>Reads the models in memory of every healthy instance now. Concurrent callers share the reading.</summary>
    /// <returns>Completes once they are in the snapshot, or after a second: a slow instance keeps its previous list.</returns>
    Task RefreshRunningAsync(CancellationToken cancellationToken);

    /// <summary>Reads every healthy instance's model list now.</summary>
    /// <returns>Completes once the lists are in the snapshot, or an instance did not respond in time.</returns>
    Task RefreshCatalogAsync(CancellationToken cancellationToken);
}

/// <summary>The kind of a request's failure on an instance.</summary>
internal enum InstanceFailure
{
    /// <summary>The connection was refused.</summary>
    Refused,

    /// <summary>The connection broke, or the response was cut off or stalled.</summary>
    Broken,

    /// <summary>A 5xx response.</summary>
    ServerError,

    /// <summary>No response in time.</summary>
    TimedOut,

    /// <summary>The instance lacks a model that its list contains.</summary>
    StaleCatalog,

    /// <summary>The instance has too little memory for the model with the request's options.</summary>
    OutOfMemory,

    /// <summary>Not the instance's failure: the bridge has no port for a connection, can't write the request or can't read the response.</summary>
    BridgeError,

    /// <summary>Not the instance's failure: a pooled connection had been closed.</summary>
    StaleConnection,

    /// <summary>Not the instance's failure: the client aborted its body, or sent it malformed or too slowly.</summary>
    ClientBody,

    /// <summary>Not the instance's failure: the instance drains, and the request was moved.</summary>
    Drained,

    /// <summary>Not the instance's failure: the gateway stops.</summary>
    Stopped,

    /// <summary>Not the instance's failure: another instance of a hedged request responded first.</summary>
    Overtaken,
}
