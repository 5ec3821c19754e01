using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Activation;

internal enum ActivationOutcome
{
    /// <summary>A usable instance appeared while requests waited.</summary>
    Succeeded,

    /// <summary>The platform accepted the scale-up, but no instance became usable within <see cref="TierOptions.StartTimeout"/>.</summary>
    Late,

    /// <summary>No scale-up request succeeded within <see cref="TierOptions.StartTimeout"/>.</summary>
    Failed,

    Refused,

    /// <summary>The last waiting request left before an instance became usable.</summary>
    Abandoned,
}

/// <summary>One activation of a tier: it begins with the first request that no instance can serve and ends when no such request waits.</summary>
internal sealed class ActivationEpisode(Tier tier, TimeProvider time)
{
    // The first request began to wait slightly before the episode, so its timeout also expires slightly earlier.
    private static readonly TimeSpan Slack = TimeSpan.FromMilliseconds(100);
    private long _since;

    public bool IsOpen => _since != 0;

    /// <summary>Whether the platform accepted a scale-up, or its desired scale was already above zero.</summary>
    public bool IsAccepted { get; set; }

    public TimeSpan Elapsed => IsOpen ? time.GetElapsedTime(_since) : TimeSpan.Zero;

    /// <summary>Returns the outcome if the episode ended. <paramref name="starving"/> counts waiting requests that no usable instance can serve.</summary>
    public (ActivationOutcome Outcome, TimeSpan Elapsed)? Follow(int starving, int usable)
    {
        if (starving > 0 && !IsOpen)
            Begin();
        if (!IsOpen)
            return null;
        var isLate = Elapsed + Slack >= tier.Options.StartTimeout;
        if (starving > 0)
            return isLate ? End(IsAccepted ? ActivationOutcome.Late : ActivationOutcome.Failed) : null;
        return End(usable > 0 ? ActivationOutcome.Succeeded : !isLate ? ActivationOutcome.Abandoned : IsAccepted ? ActivationOutcome.Late : ActivationOutcome.Failed);
    }

    public (ActivationOutcome Outcome, TimeSpan Elapsed)? End(ActivationOutcome outcome)
    {
        if (!IsOpen)
            return null;
        var elapsed = Elapsed;
        (_since, IsAccepted) = (0, false);
        return (outcome, elapsed);
    }

    private void Begin() => _since = Math.Max(1, time.GetTimestamp());
}
