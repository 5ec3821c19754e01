namespace OllamaBridge.Gateway.Activation;

internal readonly record struct TierObservation
{
    public int Waiting { get; init; }

    /// <summary>Number of waiting requests that no usable instance can serve.</summary>
    public int Starving { get; init; }

    public int Usable { get; init; }

    public int? Wanted { get; init; }

    public int Max { get; init; }

    /// <summary>Time for which requests have waited while every slot was taken; zero if none waits.</summary>
    public TimeSpan Saturated { get; init; }

    public TimeSpan? Unused { get; init; }

    public TimeSpan IdleTime { get; init; }
}

/// <summary>Decides the desired number of instances of a tier. Pure.</summary>
internal static class TierPlan
{
    /// <summary>Time for which a tier must be saturated before it scales up. Short bursts end sooner.</summary>
    public static TimeSpan Patience { get; } = TimeSpan.FromSeconds(10);

    /// <returns>The new desired number; null to leave the scale unchanged.</returns>
    /// <remarks>A scale that an operator or another controller raised is lowered only if the tier is idle, and then to zero.</remarks>
    public static int? Decide(in TierObservation observation)
    {
        if (observation.Starving > 0)
            return observation.Wanted >= 1 ? null : 1;
        if (observation.Saturated >= Patience)
        {
            var wanted = Math.Max(observation.Wanted ?? 0, observation.Usable);
            // One instance at a time: the instance requested last must be usable before the next request.
            return wanted < observation.Max && observation.Usable >= wanted ? wanted + 1 : null;
        }

        return observation.Saturated == TimeSpan.Zero && observation.Wanted != 0 && observation.Unused >= observation.IdleTime ? 0 : null;
    }
}
