namespace OllamaBridge.Gateway.Queueing;

internal enum LeaseRefusal
{
    None,

    UnknownModel,

    /// <summary>No instance supports the route.</summary>
    NotServed,

    NoInstances,

    QueueFull,

    /// <summary>It waited for <see cref="QueueOptions.MaxWait"/>.</summary>
    WaitedTooLong,

    /// <summary>Its deadline passed while it waited.</summary>
    DeadlinePassed,

    /// <summary>Its estimated wait exceeds its deadline.</summary>
    DeadlineTooSoon,

    /// <summary>The queue was full, and another request took its place.</summary>
    PushedOut,

    /// <summary>No instance that has the model was healthy for <see cref="QueueOptions.MaxWaitWithoutInstance"/>.</summary>
    NoneHealthy,

    /// <summary>The model's tier did not start within its start timeout.</summary>
    NotStarted,

    /// <summary>The platform refuses to start the model's tier.</summary>
    StartRefused,

    /// <summary>Its wait, actual or estimated, exceeds <see cref="QueueOptions.FallbackAfter"/>, and another model can serve it at once.</summary>
    GaveWay,

    /// <summary>Every instance that has the model failed it.</summary>
    AllTried,

    /// <summary>The gateway is stopping.</summary>
    Stopped,
}
