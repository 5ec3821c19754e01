namespace OllamaBridge.Gateway.Fleet.Parallelism;

/// <summary>The times of one request on an instance, in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</summary>
/// <param name="SentAt">When it was sent.</param>
/// <param name="StartedAt">When the first sign of its generation arrived.</param>
/// <param name="EndedAt">When its generation ended.</param>
/// <param name="InFlight">The number of requests for the same model on the instance when it was sent, this one included.</param>
internal readonly record struct OverlapSample(long SentAt, long StartedAt, long EndedAt, int InFlight);
