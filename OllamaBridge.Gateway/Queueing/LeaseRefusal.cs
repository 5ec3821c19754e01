namespace OllamaBridge.Gateway.Queueing;

internal enum LeaseRefusal
{
    None,

    UnknownModel,

    /// <summary>No instance supports the route.</summary>
    NotServed,

    NoInstances,

    QueueFull,

    WaitedTooLong,

    DeadlinePassed,

    DeadlineTooSoon,

    /// <summary>The queue was full, and another request took its place.</summary>
    PushedOut,

    NoneHealthy,

    NotStarted,

    StartRefused,

    /// <summary>Its wait, actual or estimated, exceeds <see cref="QueueOptions.FallbackAfter"/>, and another model can serve it at once.</summary>
    FallbackPreferred,

    AllTried,

    Stopped,
}
