namespace OllamaBridge.Gateway.Accounting;

/// <summary>Figures of the last minutes in equal steps, oldest first; the last step is the current one.</summary>
/// <param name="Median">Median duration of successful requests in seconds; null without such requests.</param>
internal sealed record RequestFigures(
    double StepSeconds,
    IReadOnlyList<int> Requests,
    IReadOnlyList<double> TokensPerSecond,
    IReadOnlyList<double?> Median,
    IReadOnlyList<double?> P95);

/// <summary>A request that failed, broke off, or needed a resumption or another attempt.</summary>
/// <param name="Time">Time of its end.</param>
/// <param name="Kind"><c>failed</c>, <c>truncated</c>, <c>continued</c> or <c>retried</c>.</param>
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
