using System.Diagnostics.Metrics;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Resumption;

internal sealed class ResumptionMetrics(IMeterFactory meters)
{
    private readonly Counter<long> _continuations = meters.Create(TelemetryNames.Meter)
        .CreateCounter<long>(TelemetryNames.Continuations, "{answer}", "Interrupted responses by the outcome of their resumption.");

    /// <param name="outcome"><c>succeeded</c>, <c>interrupted</c> again, <c>failed</c>.</param>
    public void RecordContinuation(Interruption cause, string outcome) => _continuations.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.CauseLabel, Labels.Of(cause)),
        new KeyValuePair<string, object?>(TelemetryNames.OutcomeLabel, outcome));
}
