namespace OllamaBridge.Gateway.Fleet.Parallelism;

/// <summary>When one request ran on an instance. Times in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</summary>
/// <param name="SentAt">When it was sent.</param>
/// <param name="StartedAt">When its generation showed to have started.</param>
/// <param name="EndedAt">When its generation ended.</param>
/// <param name="InFlight">How many requests for the same model the instance held when it was sent, this one included.</param>
internal readonly record struct OverlapSample(long SentAt, long StartedAt, long EndedAt, int InFlight);
