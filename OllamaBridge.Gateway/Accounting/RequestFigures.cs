namespace OllamaBridge.Gateway.Accounting;

/// <summary>Figures of the last minutes in equal steps, oldest first; the last step is the current one.</summary>
/// <param name="StepSeconds">Length of a step in seconds.</param>
/// <param name="Requests">Number of inference requests that ended.</param>
/// <param name="TokensPerSecond">Response tokens per second.</param>
/// <param name="Median">Median duration of successful requests in seconds; null without such requests.</param>
/// <param name="P95">95th percentile of these durations in seconds.</param>
internal sealed record RequestFigures(
    double StepSeconds,
    IReadOnlyList<int> Requests,
    IReadOnlyList<double> TokensPerSecond,
    IReadOnlyList<double?> Median,
    IReadOnlyList<double?> P95);

/// <summary>A request that failed, broke off, or needed a resumption or another attempt.</summary>
/// <param name="Time">Time of its end.</param>
/// <param name="Kind"><c>failed</c>, <c>truncated</c>, <c>continued</c> or <c>retried</c>.</param>
/// <param name="Model">Canonical name, <c>other</c> or empty.</param>
/// <param name="Tenant">Name of the tenant.</param>
/// <param name="Instance">Instance that responded; absent for none.</param>
/// <param name="Status">HTTP status.</param>
/// <param name="Attempts">Number of attempts.</param>
/// <param name="Causes">Reasons of the interruptions of its response, in order; absent for none.</param>
internal sealed record RequestTrouble(
    DateTimeOffset Time,
    string Kind,
    string Model,
    string Tenant,
    string? Instance,
    int Status,
    int Attempts,
    IReadOnlyList<string>? Causes);
