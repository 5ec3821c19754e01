namespace OllamaBridge.Gateway.Activation;

/// <summary>A tier at one moment.</summary>
internal readonly record struct TierSight
{
    /// <summary>Requests that wait and that no instance can be given to.</summary>
    public int Starving { get; init; }

    /// <summary>Instances that may be given work.</summary>
    public int Usable { get; init; }

    /// <summary>How many the platform is to have; null where nobody knows.</summary>
    public int? Wanted { get; init; }

    /// <summary>How many may be asked for.</summary>
    public int Max { get; init; }

    /// <summary>For how long requests have waited while every slot was taken.</summary>
    public TimeSpan Saturated { get; init; }

    /// <summary>How long ago it was last used, by anybody; null where nobody knows.</summary>
    public TimeSpan? Unused { get; init; }

    /// <summary>After how long it goes back to zero.</summary>
    public TimeSpan IdleTime { get; init; }
}

/// <summary>Decides how many instances a tier is to have. Pure.</summary>
internal static class TierPlan
{
    /// <summary>How long requests wait for a slot before one more instance is asked for: a burst is over sooner.</summary>
    public static TimeSpan Patience { get; } = TimeSpan.FromSeconds(10);

    /// <summary>Decides.</summary>
    /// <returns>How many to ask for; null to leave it as it is.</returns>
    /// <remarks>What somebody else has scaled higher is lowered by nothing but its being idle, and then to zero.</remarks>
    public static int? Decide(in TierSight sight)
    {
        if (sight.Starving > 0)
            return sight.Wanted >= 1 ? null : 1;
        if (sight.Saturated >= Patience)
        {
            var wanted = Math.Max(sight.Wanted ?? 0, sight.Usable);
            // One after the other: whoever was asked for last must be there first.
            return wanted < sight.Max && sight.Usable >= wanted ? wanted + 1 : null;
        }

        return sight.Saturated == TimeSpan.Zero && sight.Wanted != 0 && sight.Unused >= sight.IdleTime ? 0 : null;
    }
}
