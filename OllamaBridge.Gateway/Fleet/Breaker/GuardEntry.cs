namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>A lease's reference to the guard that granted it; <c>default</c> if there is none.</summary>
internal readonly record struct GuardEntry(PlacementGuard? Guard, int Epoch, bool IsProbe);

internal enum GuardChange
{
    None,

    Closed,

    Slowed,

    Recovered,
}
