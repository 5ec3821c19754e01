using System.Diagnostics;
using OllamaBridge.Gateway.Admin.Page;
using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Identity;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Shutdown;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Accounting;

/// <summary>Settles every call exactly once, however it ends.</summary>
internal sealed class CallAccounting(
    BridgeMetrics metrics, ILedger ledger, ModelAudit audit, RecentFigures recent, IFleet fleet, GracefulStop stop, TimeProvider time, ILogger<CallAccounting> logger)
{
    // nginx's number for a client that hung up; it never goes over the wire.
    private const int ClientClosedRequest = 499;

    /// <summary>Runs the rest of the pipeline around one call.</summary>
    public async Task RunAsync(HttpContext context, BridgeCall call, RequestDelegate next)
    {
        stop.Enter();
        metrics.Begin();
        try
        {
            await next(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            call.Outcome = CallOutcome.Cancelled;
        }
        catch (Exception e) when (e is IOException or BadHttpRequestException)
        {
            // The client's connection broke, or what it sent was no HTTP.
            call.Outcome = CallOutcome.Cancelled;
            AccountingLog.ConnectionBroke(logger, call.Operation.Name, e.GetType().Name);
        }
        catch (Exception e)
        {
            call.Outcome = CallOutcome.Failed;
            AccountingLog.Unexpected(logger, call.Operation.Name, e);
            if (context.Response.HasStarted)
                context.Abort();
            else
                await ProtocolError.WriteAsync(context, call.Operation.Protocol, StatusCodes.Status500InternalServerError, "the bridge failed; its log says why");
        }
        finally
        {
            metrics.End();
            Settle(context, call);
            stop.Leave();
        }
    }

    private void Settle(HttpContext context, BridgeCall call)
    {
        // Done already where an instance answered: before its slot was given to the next.
        call.SettleCharge();
        var status = context.Response.StatusCode;
        var outcome = call.Outcome ?? status switch
        {
            < 400 => CallOutcome.Succeeded,
            < 500 => CallOutcome.Rejected,
            _ => CallOutcome.Failed,
        };
        // Servers answer some errors of clients with 5xx. They burn no error budget.
        if (call.IsRequestFault && outcome is (CallOutcome.Failed or CallOutcome.Truncated))
            outcome = CallOutcome.Rejected;
        if (outcome == CallOutcome.Cancelled && !context.Response.HasStarted)
            status = ClientClosedRequest;
        call.Quota?.Settle(QuotaTokens.Used(call, outcome));
        audit.Settle(context, call, outcome);
        var total = time.GetElapsedTime(call.StartedAt);
        var model = call.NamedModel.Length == 0 ? ""
            : fleet.Current.Models.ContainsKey(call.ModelKey) ? call.ModelKey
            : TelemetryNames.OtherModel;
        var isInference = call.Operation.Kind == OperationKind.Inference;
        var record = new LedgerRecord(
            time.GetWallClock(),
            call.Tenant.Id,
            call.Operation.Name,
            Labels.Of(call.Operation.Protocol),
            model,
            call.AnsweredBy?.Name,
            // A pull's progress is no answer of a model.
            isInference ? call.InputTokens : 0,
            isInference ? call.OutputTokens : 0,
            call.Queued.TotalSeconds,
            call.AnsweredAt is { } answered ? time.GetElapsedTime(call.StartedAt, answered).TotalSeconds : null,
            total.TotalSeconds,
            Labels.Of(outcome),
            status,
            call.Attempts,
            call.Continued?.ConvertAll(Labels.Of),
            context.TraceIdentifier,
            context.Features.Get<CallerIdentity>()?.KeyId);
        metrics.RecordRequest(new RequestLabels(record.Operation, record.Protocol, model, status, record.Outcome), total);
        metrics.RecordTokens(model, record.InputTokens, record.OutputTokens);
        ledger.Write(record);
        if (isInference)
        {
            var error = outcome == CallOutcome.Succeeded ? null : record.Outcome;
            metrics.RecordOperation(Labels.OfGenAi(call.Operation), model, error, total, record.InputTokens, record.OutputTokens);
            recent.Note(record);
        }

        if (logger.IsEnabled(LogLevel.Information))
            Write(record, Caller.AddressOf(context));
        if (Activity.Current is { IsAllDataRequested: true } activity && BridgeTracing.IsHeard(activity))
            BridgeTracing.DescribeServer(activity, call, context.Request);
    }

    private void Write(LedgerRecord record, string? address) => AccountingLog.Ended(
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
