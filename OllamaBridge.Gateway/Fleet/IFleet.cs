namespace OllamaBridge.Gateway.Fleet;

/// <summary>What the rest of the gateway sees of the fleet.</summary>
internal interface IFleet
{
    /// <summary>The newest snapshot. Reading it costs one memory access.</summary>
    FleetSnapshot Current { get; }

    /// <summary>Raised after a new snapshot has become current, on the owner's thread.</summary>
    event Action? Changed;

    /// <summary>Says that a request failed on an instance through no fault of the request.</summary>
    /// <param name="instance">The instance.</param>
    /// <param name="failure">In what way.</param>
    /// <param name="model">Of which model; null for none.</param>
    void ReportFailure(Instance instance, InstanceFailure failure, ModelState? model = null);

    /// <summary>Says that an instance answered a request as it should.</summary>
    void ReportSuccess(Instance instance);

    /// <summary>Starts or ends emptying an instance: it finishes what it has and gets nothing new.</summary>
    /// <param name="name">The instance's name, in any case.</param>
    /// <param name="draining">True to drain.</param>
    /// <param name="cancellationToken">Gives up waiting for the owner.</param>
    /// <returns>Once it is in the snapshot; false where there is no such instance, and none that has gone while it was emptied.</returns>
    Task<bool> SetDrainingAsync(string name, bool draining, CancellationToken cancellationToken);

    /// <summary>Starts emptying an instance by a time: what has not ended shortly before is moved to other instances, where that can be.</summary>
    /// <param name="name">The instance's name, in any case.</param>
    /// <param name="deadline">By when.</param>
    /// <param name="cancellationToken">Gives up waiting for the owner.</param>
    /// <returns>Once it is in the snapshot; false where there is no such instance.</returns>
    Task<bool> DrainUntilAsync(string name, DateTimeOffset deadline, CancellationToken cancellationToken);

    /// <summary>Adds an instance at run time, or changes one that was added so; other gateways with the same state hear of it.</summary>
    /// <param name="definition">The instance.</param>
    /// <param name="cancellationToken">Gives up waiting for the owner.</param>
    /// <returns>What came of it, once it is in the snapshot and was looked at for the first time.</returns>
    Task<MemberChange> AddAsync(InstanceDefinition definition, CancellationToken cancellationToken);

    /// <summary>Removes an instance that was added at run time: it gets nothing new, and what it has it finishes.</summary>
    /// <param name="name">The instance's name, in any case.</param>
    /// <param name="cancellationToken">Gives up waiting for the owner.</param>
    /// <returns>What came of it, once it is no longer in the snapshot.</returns>
    Task<MemberChange> RemoveAsync(string name, CancellationToken cancellationToken);

    /// <summary>Looks at an instance soon: a response shows that its models in memory have changed.</summary>
    void LookAgain(Instance instance);

    /// <summary>Reads now which models every healthy instance has in memory. Callers at the same time share the reading.</summary>
    /// <returns>Once that is in the snapshot, or after a second: an instance that is slow shows what it had.</returns>
    Task RefreshRunningAsync(CancellationToken cancellationToken);

    /// <summary>Reads every healthy instance's model list now.</summary>
    /// <returns>Once the lists are in the snapshot, or an instance did not answer in time.</returns>
    Task RefreshCatalogAsync(CancellationToken cancellationToken);
}

/// <summary>How an instance failed a request.</summary>
internal enum InstanceFailure
{
    /// <summary>No connection: nobody listens there.</summary>
    Refused,

    /// <summary>The connection broke, or the answer was cut or stood still.</summary>
    Broken,

    /// <summary>It answered with a server error.</summary>
    ServerError,

    /// <summary>It did not answer in time.</summary>
    TimedOut,

    /// <summary>It does not have a model that its list names.</summary>
    StaleCatalog,

    /// <summary>It has too little memory for the model with the request's options.</summary>
    OutOfMemory,

    /// <summary>None: the bridge has no port for a connection, can't write the request or can't read the response.</summary>
    BridgeError,

    /// <summary>None: a kept connection had gone stale.</summary>
    StaleConnection,

    /// <summary>None: the client broke off its body, or sent it wrongly or too slowly.</summary>
    ClientBody,

    /// <summary>None: it is emptied, and the request was taken from it.</summary>
    Drained,

    /// <summary>None: the gateway stops, and waits for it no longer.</summary>
    Stopped,

    /// <summary>None: another instance, which had been asked as well, answered first.</summary>
    Overtaken,
}
