namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>Data that a response repeats. Times are in <see cref="TimeProvider.GetTimestamp"/>'s ticks; <paramref name="SentAt"/> is the first
/// attempt's.</summary>
internal sealed record ResponseContext(Operation Operation, string? Model, long StartedAt, long SentAt, bool WantsUsage);
