namespace OllamaBridge.Gateway.Fleet.Parallelism;

/// <summary>The times of one request in ticks. <c>StartedAt</c>: the first sign of its generation. <c>InFlight</c>: when sent, this request included.</summary>
internal readonly record struct OverlapSample(long SentAt, long StartedAt, long EndedAt, int InFlight);
