namespace OllamaBridge.Gateway.Queueing;

internal readonly record struct WaitProgress
{
    public TimeSpan Waited { get; init; }

    public bool IsPastDeadline { get; init; }

    public Func<bool>? AllowFallback { get; init; }

    /// <summary>The time since which no usable instance has the model; null while one has.</summary>
    public TimeSpan? WithoutInstance { get; init; }

    /// <summary>The time without a usable instance that counts as the start of the tier, not as a wait for a slot.</summary>
    public TimeSpan Starting { get; init; }

    /// <summary>The tier's start timeout while the tier is being started; null otherwise.</summary>
    public TimeSpan? StartTimeout { get; init; }
}

/// <summary>Decides whether a request may wait, and for how long. Pure.</summary>
internal static class WaitPolicy
{
    public static LeaseRefusal CheckArrival(TimeSpan? estimate, TimeSpan? untilDeadline, Func<bool>? allowFallback, QueueOptions options)
    {
        if (estimate > untilDeadline)
            return LeaseRefusal.DeadlineTooSoon;
        return allowFallback is not null && estimate > options.FallbackAfter && allowFallback() ? LeaseRefusal.FallbackPreferred : LeaseRefusal.None;
    }

    public static LeaseRefusal CheckWait(in WaitProgress wait, QueueOptions options)
    {
        if (wait.IsPastDeadline)
            return LeaseRefusal.DeadlinePassed;
        if (wait.AllowFallback is { } allowFallback && wait.Waited >= options.FallbackAfter && allowFallback())
            return LeaseRefusal.FallbackPreferred;
        if (wait.Waited - wait.Starting >= options.MaxWait)
            return LeaseRefusal.WaitedTooLong;
        if (wait.WithoutInstance is not { } without)
            return LeaseRefusal.None;
        if (wait.StartTimeout is { } timeout)
            return wait.Starting >= timeout ? LeaseRefusal.NotStarted : LeaseRefusal.None;
        return without >= options.MaxWaitWithoutInstance ? LeaseRefusal.NoneHealthy : LeaseRefusal.None;
    }
}
