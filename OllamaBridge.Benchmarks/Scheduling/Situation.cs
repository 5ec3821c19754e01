namespace OllamaBridge.Benchmarks.Scheduling;

/// <summary>What the fleet is like when the decision is made.</summary>
public enum Situation
{
    /// <summary>Every instance has the model in memory and a slot free.</summary>
    LoadedEverywhere,

    /// <summary>One instance in ten has the model in memory and a slot free; the memory of all others is full.</summary>
    LoadedOnATenth,

    /// <summary>As before, but those that have it are busy, and all others are using what they hold: the request must wait.</summary>
    TenthIsBusy,

    /// <summary>Nobody has the model in memory and all memory is full; the request has waited, so that anything may be thrown out.</summary>
    LoadedNowhere,

    /// <summary>Every instance has the model in memory and no slot free.</summary>
    AllBusy,

    /// <summary>Every instance has the model in memory and a slot free, but one in ten has failed it and is left alone.</summary>
    TenthIsOut,
}
