using System.Diagnostics.Metrics;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>The instruments of resumption.</summary>
internal sealed class ResumptionMetrics(IMeterFactory meters)
{
    private readonly Counter<long> _continuations = meters.Create(TelemetryNames.Meter)
        .CreateCounter<long>(TelemetryNames.Continuations, "{answer}", "Interrupted responses by the outcome of their resumption.");

    /// <summary>Records an interrupted response.</summary>
    /// <param name="cause">The cause of the interruption.</param>
    /// <param name="outcome">The outcome of the resumption: <c>succeeded</c>, <c>interrupted</c> again, <c>failed</c>.</param>
    public void RecordContinuation(Interruption cause, string outcome) => _continuations.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.CauseLabel, Labels.Of(cause)),
        new KeyValuePair<string, object?>(TelemetryNames.OutcomeLabel, outcome));
}
