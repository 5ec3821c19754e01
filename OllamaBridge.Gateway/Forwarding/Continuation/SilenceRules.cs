using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding.Liveness;

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
    bool IsDrainOver)
{
    /// <summary>What checks of its instance say.</summary>
    public LivenessState Liveness { get; init; }

    /// <summary>When the load of its model counts as hung.</summary>
    public TimeSpan LoadLimit { get; init; }

    /// <summary>Whether its server answered a check lately, or any other question beside it.</summary>
    public bool IsServerUp { get; init; }

    /// <summary>Whether it is an answer whose rest another instance cannot write, so that giving it up ends it with an error.</summary>
    public bool IsUnresumable { get; init; }

    /// <summary>For how long the client has got nothing, earlier attempts included.</summary>
    public TimeSpan TotalSilence { get; init; }

    /// <summary>Whether the answer comes in one piece, so that its first byte is late by the whole generation.</summary>
    public bool ComesWhole { get; init; }

    /// <summary>Whether a check that may be waiting for a slot no longer counts: for this request, or for its model.</summary>
    public bool IsSuspicionUsed { get; init; }

    /// <summary>How long the instance takes for the prompts that it holds, as learned or assumed.</summary>
    public TimeSpan ExpectedPrefill { get; init; }

    /// <summary>How often this answer has stood still before, on other instances.</summary>
    public int EarlierStalls { get; init; }
}

/// <summary>Whether a sending is to be given up. Pure.</summary>
internal static class SilenceRules
{
    // A stream that has just brought something is no lost instance's, whatever a health look met with.
    private static readonly TimeSpan Lost = TimeSpan.FromMilliseconds(500);
    // Where the pace is unknown, so many times the shortest stall.
    private const int Unknown = 4;
    // A slow stream is not silent between two tokens.
    private const int PaceOfLoss = 5;
    // So many times the shortest stall, of an instance that works: a pause is rather waited for than moved away from.
    private const double PatienceWhileAlive = 3;
    private const double PatienceAlone = 9;
    // A prompt's evaluation may take so many times the expected time.
    private const double PrefillPatience = 3;
    // Before the first token, of an instance that cannot be checked.
    private static readonly TimeSpan Unchecked = TimeSpan.FromMinutes(2);
    // A prompt may be evaluated for minutes; a request that its server has lost is noticed at last.
    private const double PatienceBeforeFirstToken = 20;

    /// <summary>Judges.</summary>
    /// <returns>Why to give it up; null for waiting on.</returns>
    public static Interruption? Judge(in SilenceFacts facts, ContinuationOptions options, LivenessOptions liveness)
    {
        if (facts.IsDrainOver && facts.CanGoElsewhere)
            return Interruption.Drained;
        // If all instances are unresponsive, the cause is likely shared and passes: wait for it, but not for ever.
        var canLeave = CanBeSaved(facts) || facts.TotalSilence >= liveness.LastInstanceTimeout;
        // Health looks may fail because the server is busy loading a model; its answers to checks show better that it is there.
        if (facts.Status is InstanceStatus.Unhealthy && facts.Silence >= Lost && !(facts.Silence < facts.Pace * PaceOfLoss) && !facts.IsServerUp && canLeave)
            return Interruption.InstanceLost;
        var isStall = facts.Liveness switch
        {
            LivenessState.Unresponsive => canLeave,
            // A hung load is the server's to end if no other instance can serve the request.
            LivenessState.Loading => facts.HasBegun ? canLeave : facts.CanGoElsewhere && facts.Silence > facts.LoadLimit,
            LivenessState.Pending => false,
            LivenessState.Suspect => IsStalledWhileSuspect(facts, options),
            LivenessState.Alive => IsStalledWhileAlive(facts, options),
            _ => IsStalled(facts, options),
        };
        return isStall ? Interruption.Stalled : null;
    }

    /// <summary>After how much silence the instance is checked.</summary>
    public static TimeSpan CheckAfter(bool hasBegun, ContinuationOptions options, LivenessOptions liveness)
    {
        var least = hasBegun ? options.MinStall : options.MinLateFirstToken;
        return least < liveness.CheckAfter ? least : liveness.CheckAfter;
    }

    /// <summary>The instance works. Before the first token that explains nearly any silence; within a stream only a pause.</summary>
    private static bool IsStalledWhileAlive(in SilenceFacts facts, ContinuationOptions options)
    {
        if (facts.HasTools)
            return false;
        if (!facts.HasBegun)
            return facts.CanGoElsewhere && IsLate(facts, options, PatienceBeforeFirstToken);
        var patience = CanBeSaved(facts) ? PatienceWhileAlive * Math.Pow(2, Math.Min(facts.EarlierStalls, 16)) : PatienceAlone;
        var usual = Longer(options.MinStall, facts.Pace, options.StallFactor, unknown: 1);
        return facts.Silence.TotalSeconds > Math.Max(usual.TotalSeconds, options.MinStall.TotalSeconds * patience);
    }

    /// <summary>
    /// The server answers, but not a check by a generation. It may be waiting for a slot: a prompt gets the time that it takes, and a request is moved
    /// for this reason once.
    /// </summary>
    private static bool IsStalledWhileSuspect(in SilenceFacts facts, ContinuationOptions options) =>
        facts.HasBegun || facts.IsSuspicionUsed
            ? IsStalled(facts, options)
            : CanBeSaved(facts) && facts.Silence.TotalSeconds > facts.ExpectedPrefill.TotalSeconds * PrefillPatience;

    /// <summary>The instance cannot be checked.</summary>
    private static bool IsStalled(in SilenceFacts facts, ContinuationOptions options)
    {
        // With nobody else to ask it is waited for as long as the forwarder's own time-outs allow.
        if (facts.HasTools || !CanBeSaved(facts))
            return false;
        if (facts.HasBegun)
            return facts.Silence > Longer(options.MinStall, facts.Pace, options.StallFactor, Unknown);
        return IsLate(facts, options, patience: 1) || (!facts.ComesWhole && facts.Silence > Unchecked);
    }

    private static bool CanBeSaved(in SilenceFacts facts) => facts is { CanGoElsewhere: true, IsUnresumable: false };

    /// <summary>Whether a first token takes far longer than learned for a prompt of that length.</summary>
    private static bool IsLate(in SilenceFacts facts, ContinuationOptions options, double patience) =>
        facts is { IsWarm: true, ComesWhole: false, UsualFirstToken: not null }
        && facts.Silence > Longer(options.MinLateFirstToken, facts.UsualFirstToken, options.LateFactor, 1) * patience;

    private static TimeSpan Longer(TimeSpan least, TimeSpan? usual, double factor, int unknown)
    {
        if (usual is not { } known)
            return least * unknown;
        var scaled = known.TotalSeconds * factor;
        return scaled > least.TotalSeconds ? TimeSpan.FromSeconds(Math.Min(scaled, 86_400)) : least;
    }
}
