using System.Diagnostics;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Shutdown;
using OllamaBridge.Gateway.Telemetry;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Records every request exactly once, regardless of its outcome.</summary>
internal sealed class RequestAccounting(
    RequestMetrics metrics, ILedger ledger, ModelAudit audit, RecentFigures recent, IFleet fleet, GracefulStop stop, TimeProvider time, ILogger<RequestAccounting> logger)
{
    // nginx's status for a client that disconnected; never sent to a client.
    private const int ClientClosedRequest = 499;

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
            call.Outcome = RequestOutcome.Cancelled;
        }
        catch (Exception e) when (e is IOException or BadHttpRequestException)
        {
            // The client's connection broke, or it sent invalid HTTP.
            call.Outcome = RequestOutcome.Cancelled;
            AccountingLog.ConnectionBroke(logger, call.Operation.Name, e.GetType().Name);
        }
        catch (Exception e)
        {
            call.Outcome = RequestOutcome.Failed;
            AccountingLog.Unexpected(logger, call.Operation.Name, e);
            if (context.Response.HasStarted)
                context.Abort();
            else
                await ProtocolError.WriteAsync(context, call.Operation.Protocol, StatusCodes.Status500InternalServerError, "the bridge failed; see its log");
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
        // Without effect if an instance responded: the charge was settled then, before its slot was released.
        call.SettleCharge();
        var status = context.Response.StatusCode;
        var outcome = call.Outcome ?? status switch
        {
            < 400 => RequestOutcome.Succeeded,
            < 500 => RequestOutcome.Rejected,
            _ => RequestOutcome.Failed,
        };
        // Servers respond to some invalid requests with 5xx. They don't count against the error budget.
        if (call.IsRequestFault && outcome is (RequestOutcome.Failed or RequestOutcome.Truncated))
            outcome = RequestOutcome.Rejected;
        if (outcome == RequestOutcome.Cancelled && !context.Response.HasStarted)
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
            // A pull's progress has no tokens of a model.
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
            var error = outcome == RequestOutcome.Succeeded ? null : record.Outcome;
            metrics.RecordOperation(Labels.OfGenAi(call.Operation), model, error, total, record.InputTokens, record.OutputTokens);
            recent.Note(record);
        }

        if (logger.IsEnabled(LogLevel.Information))
            Write(record, Caller.AddressOf(context));
        if (Activity.Current is { IsAllDataRequested: true } activity && BridgeTracing.IsHeard(activity))
            RequestTracing.DescribeServer(activity, call, context.Request);
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
