namespace OllamaBridge.Gateway.Activation;

/// <summary>What came of an activation.</summary>
internal enum ActivationOutcome
{
    /// <summary>An instance came, and the requests go on.</summary>
    Succeeded,

    /// <summary>The platform was asked, but no instance came in time.</summary>
    Late,

    /// <summary>The platform could not be asked in all that time.</summary>
    Failed,

    /// <summary>The platform refuses it.</summary>
    Refused,

    /// <summary>Nobody waits any longer.</summary>
    Abandoned,
}

/// <summary>From the first request that waits for a tier in vain to the moment when none does: however many wait, it is one.</summary>
/// <param name="tier">The tier.</param>
/// <param name="time">The clock.</param>
internal sealed class ActivationEpisode(Tier tier, TimeProvider time)
{
    // The wait of a request began a moment before.
    private static readonly TimeSpan Slack = TimeSpan.FromMilliseconds(100);
    private long _since;

    /// <summary>Whether somebody waits.</summary>
    public bool IsOpen => _since != 0;

    /// <summary>Whether the platform was asked for an instance, or is to have one already.</summary>
    public bool Asked { get; set; }

    /// <summary>For how long somebody has waited.</summary>
    public TimeSpan Elapsed => IsOpen ? time.GetElapsedTime(_since) : TimeSpan.Zero;

    /// <summary>Takes in who waits now.</summary>
    /// <param name="starving">How many wait in vain.</param>
    /// <param name="usable">How many instances may be given work.</param>
    /// <returns>How it ended; null where it goes on, or there is none.</returns>
    public (ActivationOutcome Outcome, TimeSpan Elapsed)? Follow(int starving, int usable)
    {
        if (starving > 0 && !IsOpen)
            Begin();
        if (!IsOpen)
            return null;
        var isLate = Elapsed + Slack >= tier.Options.StartTimeout;
        if (starving > 0)
            return isLate ? End(Asked ? ActivationOutcome.Late : ActivationOutcome.Failed) : null;
        return End(usable > 0 ? ActivationOutcome.Succeeded : !isLate ? ActivationOutcome.Abandoned : Asked ? ActivationOutcome.Late : ActivationOutcome.Failed);
    }

    /// <summary>Ends it.</summary>
    public (ActivationOutcome Outcome, TimeSpan Elapsed)? End(ActivationOutcome outcome)
    {
        if (!IsOpen)
            return null;
        var elapsed = Elapsed;
        (_since, Asked) = (0, false);
        return (outcome, elapsed);
    }

    private void Begin() => _since = Math.Max(1, time.GetTimestamp());
}
