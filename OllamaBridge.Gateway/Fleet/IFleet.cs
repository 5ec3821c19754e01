using OllamaBridge.Gateway.Discovery;

namespace OllamaBridge.Gateway.Fleet;

internal interface IFleet
{
    /// <summary>The newest snapshot. Reading it costs one memory access.</summary>
    FleetSnapshot Current { get; }

    /// <summary>Raised after a new snapshot has become current, on the owner's thread.</summary>
    event Action? Changed;

    /// <summary>Reports a failed request that the instance, not the request, caused. <paramref name="model"/> is null for a request without one.</summary>
    void ReportFailure(Instance instance, InstanceFailure failure, ModelState? model = null);

    void ReportSuccess(Instance instance);

    /// <summary>Starts or ends a drain. The name is case-insensitive. Completes once it is in the snapshot.</summary>
    /// <returns>False if there is no such instance, and no drained one that is absent.</returns>
    Task<bool> SetDrainingAsync(string name, bool draining, CancellationToken cancellationToken);

    /// <summary>Starts a drain; responses that run until shortly before the deadline are resumed elsewhere. False if there is no such instance.</summary>
    Task<bool> DrainUntilAsync(string name, DateTimeOffset deadline, CancellationToken cancellationToken);

    /// <summary>Adds an instance, or changes an added one. Completes once it is in the snapshot and its first probe has ended.</summary>
    Task<MemberChange> AddAsync(InstanceDefinition definition, CancellationToken cancellationToken);

    /// <summary>Removes an added instance; its requests run to their end. Completes once it is no longer in the snapshot.</summary>
    Task<MemberChange> RemoveAsync(string name, CancellationToken cancellationToken);

    void RequestProbe(Instance instance);

    /// <summary>Completes once the lists are in the snapshot, or after a second: a slow instance keeps its list. Concurrent callers share the reading.</summary>
    Task RefreshRunningAsync(CancellationToken cancellationToken);

    /// <summary>Completes once every healthy instance's list is in the snapshot, or an instance did not respond in time.</summary>
    Task RefreshCatalogAsync(CancellationToken cancellationToken);
}

/// <summary>Why a request failed on an instance. From <see cref="InstanceFailure.BridgeError"/> on, the failure is not the instance's.</summary>
internal enum InstanceFailure
{
    Refused,

    /// <summary>The connection broke, or the response was cut off or stalled.</summary>
    Broken,

    ServerError,

    TimedOut,

    /// <summary>The instance lacks a model that its list contains.</summary>
    StaleCatalog,

    /// <summary>The instance has too little memory for the model with the request's options.</summary>
    OutOfMemory,

    /// <summary>The bridge has no port for a connection, can't write the request or can't read the response.</summary>
    BridgeError,

    /// <summary>A pooled connection had been closed.</summary>
    StaleConnection,

    /// <summary>The client aborted its body, or sent it malformed or too slowly.</summary>
    ClientBody,

    /// <summary>The instance drains, and the request was moved.</summary>
    Drained,

    /// <summary>The gateway stops.</summary>
    Stopped,

    /// <summary>Another instance of a hedged request responded first.</summary>
    Overtaken,
}
