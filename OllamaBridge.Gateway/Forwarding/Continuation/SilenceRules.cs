using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>What is known of a sending from which nothing has come for a while.</summary>
/// <param name="HasBegun">Whether its answer has begun.</param>
/// <param name="Silence">For how long nothing has come.</param>
/// <param name="Pace">Between two messages of this answer, on the mean; null where there were too few.</param>
/// <param name="Status">How its instance is now; null where it has left the fleet.</param>
/// <param name="IsWarm">Whether the model was in memory when it was sent.</param>
/// <param name="UsualFirstToken">What a first token takes there lately, for a prompt of this length; null where unknown.</param>
/// <param name="HasTools">Whether tools may be called: a server collects a call without a word.</param>
/// <param name="CanGoElsewhere">Whether another instance could be asked.</param>
/// <param name="IsDrainOver">Whether its instance is emptied, and the time for that is over.</param>
internal readonly record struct SilenceFacts(
    bool HasBegun,
    TimeSpan Silence,
    TimeSpan? Pace,
    InstanceStatus? Status,
    bool IsWarm,
    TimeSpan? UsualFirstToken,
    bool HasTools,
    bool CanGoElsewhere,
    bool IsDrainOver);

/// <summary>Whether a sending is to be given up. Pure.</summary>
internal static class SilenceRules
{
    // A stream that has just brought something is no lost instance's, whatever a health look met with.
    private static readonly TimeSpan Lost = TimeSpan.FromMilliseconds(500);
    // Where the pace is unknown, so many times the shortest stall.
    private const int Unknown = 4;

    /// <summary>Judges.</summary>
    /// <returns>Why to give it up; null for waiting on.</returns>
    public static Interruption? Judge(in SilenceFacts facts, ContinuationOptions options)
    {
        if (facts.IsDrainOver && facts.CanGoElsewhere)
            return Interruption.Drained;
        if (facts.Status is InstanceStatus.Unhealthy && facts.Silence >= Lost && (facts.HasBegun || facts.CanGoElsewhere))
            return Interruption.InstanceLost;
        // With nobody else to ask it is waited for as long as the forwarder's own time-outs allow.
        if (facts.HasTools || !facts.CanGoElsewhere)
            return null;
        if (facts.HasBegun)
            return facts.Silence > Longer(options.MinStall, facts.Pace, options.StallFactor, Unknown) ? Interruption.Stalled : null;
        return facts is { IsWarm: true, UsualFirstToken: not null }
            && facts.Silence > Longer(options.MinLateFirstToken, facts.UsualFirstToken, options.LateFactor, 1)
                ? Interruption.Stalled
                : null;
    }

    private static TimeSpan Longer(TimeSpan least, TimeSpan? usual, double factor, int unknown)
    {
        if (usual is not { } known)
            return least * unknown;
        var scaled = known.TotalSeconds * factor;
        return scaled > least.TotalSeconds ? TimeSpan.FromSeconds(Math.Min(scaled, 86_400)) : least;
    }
}
