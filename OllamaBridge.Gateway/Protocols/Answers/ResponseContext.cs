namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>The data of a request that its response repeats.</summary>
/// <param name="Operation">The operation.</param>
/// <param name="Model">The model's name for instances; null for none.</param>
/// <param name="StartedAt">The time of arrival, in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</param>
/// <param name="SentAt">The time of the first attempt, in the same ticks.</param>
/// <param name="WantsUsage">Whether an OpenAI stream must end with its usage.</param>
internal sealed record ResponseContext(Operation Operation, string? Model, long StartedAt, long SentAt, bool WantsUsage);
