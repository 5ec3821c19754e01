using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Resumption.Liveness;

namespace OllamaBridge.Gateway.Resumption;

internal readonly record struct StallFacts(
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
    public LivenessState Liveness { get; init; }

    public TimeSpan LoadLimit { get; init; }

    public bool IsServerUp { get; init; }

    public bool IsUnresumable { get; init; }

    /// <summary>The time in which the client has received nothing, earlier attempts included.</summary>
    public TimeSpan TotalSilence { get; init; }

    /// <summary>The first byte follows the whole generation.</summary>
    public bool ComesWhole { get; init; }

    /// <summary>Whether the suspicion of a check that may be waiting for a slot no longer counts: for this request, or for its model.</summary>
    public bool IsSuspicionUsed { get; init; }

    /// <summary>The time that the instance needs for the prompts that it holds, learned or assumed.</summary>
    public TimeSpan ExpectedPrefill { get; init; }

    public int EarlierStalls { get; init; }
}

/// <summary>Decides whether to give an attempt up. Pure.</summary>
internal static class StallPolicy
{
    // The instance of a stream with recent bytes is not lost, whatever a health probe found.
    private static readonly TimeSpan Lost = TimeSpan.FromMilliseconds(500);
    // The multiple of the shortest stall if the pace is unknown.
    private const int Unknown = 4;
    // A multiple of the pace: between two tokens a slow stream is not silent.
    private const int PaceOfLoss = 5;
    // Multiples of the shortest stall for a working instance: waiting for a pause to end is better than moving.
    private const double PatienceWhileAlive = 3;
    private const double PatienceAlone = 9;
    // The multiple of the expected time that a prompt's evaluation may take.
    private const double PrefillPatience = 3;
    // The longest silence before the first token if the instance cannot be checked.
    private static readonly TimeSpan Unchecked = TimeSpan.FromMinutes(2);
    // A prompt may take minutes. This bound detects a request that its server has lost.
    private const double PatienceBeforeFirstToken = 20;

    /// <returns>The reason to give the attempt up; null to wait.</returns>
    public static Interruption? Judge(in StallFacts facts, ResumptionOptions options, LivenessOptions liveness)
    {
        if (facts.IsDrainOver && facts.CanGoElsewhere)
            return Interruption.Drained;
        // If all instances are unresponsive, the cause is probably shared and temporary: wait for it, but not without limit.
        var canLeave = CanBeSaved(facts) || facts.TotalSilence >= liveness.LastInstanceTimeout;
        // Health probes may fail because the server is busy loading a model. Its responses to checks are better evidence.
        if (facts.Status is InstanceStatus.Unhealthy && facts.Silence >= Lost && !(facts.Silence < facts.Pace * PaceOfLoss) && !facts.IsServerUp && canLeave)
            return Interruption.InstanceLost;
        var isStall = facts.Liveness switch
        {
            LivenessState.Unresponsive => canLeave,
            // The server itself ends a hung load if no other instance can serve the request.
            LivenessState.Loading => facts.HasBegun ? canLeave : facts.CanGoElsewhere && facts.Silence > facts.LoadLimit,
            LivenessState.Pending => false,
            LivenessState.Suspect => IsStalledWhileSuspect(facts, options),
            LivenessState.Alive => IsStalledWhileAlive(facts, options),
            _ => IsStalled(facts, options),
        };
        return isStall ? Interruption.Stalled : null;
    }

    public static TimeSpan CheckAfter(bool hasBegun, ResumptionOptions options, LivenessOptions liveness)
    {
        var least = hasBegun ? options.MinStall : options.MinLateFirstToken;
        return least < liveness.CheckAfter ? least : liveness.CheckAfter;
    }

    private static bool IsStalledWhileAlive(in StallFacts facts, ResumptionOptions options)
    {
        if (facts.HasTools)
            return false;
        if (!facts.HasBegun)
            return facts.CanGoElsewhere && IsLate(facts, options, PatienceBeforeFirstToken);
        var patience = CanBeSaved(facts) ? PatienceWhileAlive * Backoff.Factor(facts.EarlierStalls) : PatienceAlone;
        var usual = Longer(options.MinStall, facts.Pace, options.StallFactor, unknown: 1);
        return facts.Silence.TotalSeconds > Math.Max(usual.TotalSeconds, options.MinStall.TotalSeconds * patience);
    }

    /// <summary>The check may wait for a slot: a prompt gets the time that it takes, and a request is moved for this reason once.</summary>
    private static bool IsStalledWhileSuspect(in StallFacts facts, ResumptionOptions options) =>
        facts.HasBegun || facts.IsSuspicionUsed
            ? IsStalled(facts, options)
            : CanBeSaved(facts) && facts.Silence.TotalSeconds > facts.ExpectedPrefill.TotalSeconds * PrefillPatience;

    private static bool IsStalled(in StallFacts facts, ResumptionOptions options)
    {
        // Without another instance, wait as long as the forwarder's time-outs allow.
        if (facts.HasTools || !CanBeSaved(facts))
            return false;
        if (facts.HasBegun)
            return facts.Silence > Longer(options.MinStall, facts.Pace, options.StallFactor, Unknown);
        return IsLate(facts, options, patience: 1) || (!facts.ComesWhole && facts.Silence > Unchecked);
    }

    private static bool CanBeSaved(in StallFacts facts) => facts is { CanGoElsewhere: true, IsUnresumable: false };

    private static bool IsLate(in StallFacts facts, ResumptionOptions options, double patience) =>
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
