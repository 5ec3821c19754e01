using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Telemetry;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Pipeline;

internal sealed class RequestRecorder(
    ILedger ledger, RecentFigures recent, IFleet fleet, RequestMetrics metrics, TimeProvider time, ILogger<RequestRecorder> logger)
{
    // nginx's status for a client that disconnected; never sent to a client.
    private const int ClientClosedRequest = 499;

    public static RequestOutcome OutcomeOf(RequestResult result, int status)
    {
        var outcome = result.Outcome ?? status switch
        {
            < 400 => RequestOutcome.Succeeded,
            < 500 => RequestOutcome.Rejected,
            _ => RequestOutcome.Failed,
        };
        // Servers respond to some invalid requests with 5xx. They don't count against the error budget.
        return result.IsRequestFault && outcome is (RequestOutcome.Failed or RequestOutcome.Truncated) ? RequestOutcome.Rejected : outcome;
    }

    public void Record(HttpContext context, Operation operation, RequestResult result, RequestOutcome outcome, IReadOnlyList<string>? interruptions)
    {
        var isInference = operation.Kind == OperationKind.Inference;
        var total = time.GetElapsedTime(result.StartedAt);
        var record = new LedgerRecord(
            time.GetWallClock(),
            ConfinedTenantFeature.Of(context).Id,
            operation.Name,
            Labels.Of(operation.Protocol),
            ModelOf(context),
            result.AnsweredBy?.Name,
            // A pull's progress has no tokens of a model.
            isInference ? result.InputTokens : 0,
            isInference ? result.OutputTokens : 0,
            result.Queued.TotalSeconds,
            result.AnsweredAt is { } answered ? time.GetElapsedTime(result.StartedAt, answered).TotalSeconds : null,
            total.TotalSeconds,
            Labels.Of(outcome),
            outcome == RequestOutcome.Cancelled && !context.Response.HasStarted ? ClientClosedRequest : context.Response.StatusCode,
            result.Attempts,
            interruptions,
            context.TraceIdentifier,
            context.Features.Get<CallerIdentity>()?.KeyId);
        metrics.RecordRequest(new RequestLabels(record.Operation, record.Protocol, record.Model, record.Status, record.Outcome), total);
        metrics.RecordTokens(record.Model, record.InputTokens, record.OutputTokens);
        ledger.Write(record);
        if (isInference)
        {
            var error = outcome == RequestOutcome.Succeeded ? null : record.Outcome;
            metrics.RecordOperation(Labels.OfGenAi(operation), record.Model, error, total, record.InputTokens, record.OutputTokens);
            recent.Note(record);
        }

        if (logger.IsEnabled(LogLevel.Information))
            Log(record, Caller.AddressOf(context));
    }

    /// <summary>The label of the request's model: empty for none, <c>other</c> for one that the fleet does not have.</summary>
    private string ModelOf(HttpContext context) =>
        context.Features.Get<ModelSelection>() is not { NamedKey.Length: > 0 } model ? ""
        : fleet.Current.Models.ContainsKey(model.Key) ? model.Key
        : TelemetryNames.OtherModel;

    private void Log(LedgerRecord record, string? address) => AccountingLog.Ended(
        logger,
        record.Operation,
        record.Model,
        record.Outcome,
        record.Status,
        Math.Round(record.TotalSeconds, 4),
        Math.Round(record.QueueSeconds, 4),
        record.Tenant,
        record.Instance,
        record.Attempts,
        record.InputTokens,
        record.OutputTokens,
        record.Interruptions?.Count ?? 0,
        record.RequestId,
        address,
        record.Key);
}
