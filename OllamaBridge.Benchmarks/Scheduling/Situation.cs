namespace OllamaBridge.Benchmarks.Scheduling;

/// <summary>The state of the fleet at the time of the decision.</summary>
public enum Situation
{
    /// <summary>Every instance has the model in memory and a free slot.</summary>
    LoadedEverywhere,

    /// <summary>One instance in ten has the model in memory and a free slot. The memory of all others is full.</summary>
    LoadedOnATenth,

    /// <summary>Like <see cref="LoadedOnATenth"/>, but these instances are busy and all others use their loaded models. The request must wait.</summary>
    TenthIsBusy,

    /// <summary>No instance has the model in memory and all memory is full. The request has waited long enough to evict any idle model.</summary>
    LoadedNowhere,

    /// <summary>Every instance has the model in memory and no free slot.</summary>
    AllBusy,

    /// <summary>Every instance has the model in memory and a free slot, but the circuit of one in ten is open.</summary>
    TenthIsOut,
}
