using System.Diagnostics;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Shutdown;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Records every request of the model API exactly once, regardless of its outcome. The outermost stage.</summary>
internal sealed class AccountingStage(
    RequestRecorder recorder, ModelAudit audit, GracefulStop stop, RequestMetrics metrics, TimeProvider time, ILogger<AccountingStage> logger) : IRequestStage
{
    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var result = new RequestResult(time.GetTimestamp());
        context.Features.Set(result);
        stop.Enter();
        metrics.Begin();
        try
        {
            await next(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            result.Outcome = RequestOutcome.Cancelled;
        }
        catch (Exception e) when (e is IOException or BadHttpRequestException)
        {
            // The client's connection broke, or it sent invalid HTTP.
            result.Outcome = RequestOutcome.Cancelled;
            AccountingLog.ConnectionBroke(logger, OperationOf(context)?.Name ?? "", e.GetType().Name);
        }
        catch (Exception e)
        {
            result.Outcome = RequestOutcome.Failed;
            await FailAsync(context, e);
        }
        finally
        {
            metrics.End();
            // A route that the model API does not have is no request of it.
            if (OperationOf(context) is { } operation)
                Settle(context, operation, result);
            stop.Leave();
        }
    }

    private static Operation? OperationOf(HttpContext context) => context.Features.Get<OperationFeature>()?.Operation;

    private async Task FailAsync(HttpContext context, Exception exception)
    {
        var operation = OperationOf(context);
        AccountingLog.Unexpected(logger, operation?.Name ?? "", exception);
        if (context.Response.HasStarted)
            context.Abort();
        else
            await ProtocolError.WriteAsync(
                context, operation?.Protocol ?? Protocol.Ollama, StatusCodes.Status500InternalServerError, "the bridge failed; see its log");
    }

    private void Settle(HttpContext context, Operation operation, RequestResult result)
    {
        var call = context.Features.Get<ForwardedCall>();
        // Without effect if an instance responded: the charge was settled then, before its slot was released.
        call?.SettleCharge();
        var outcome = RequestRecorder.OutcomeOf(result, context.Response.StatusCode);
        if (context.Features.Get<QuotaReservation>() is { Lease: { } lease } reservation)
            lease.Settle(QuotaTokens.Used(operation, result, reservation.PromptEstimate, outcome));
        audit.Settle(context, operation, outcome);
        recorder.Record(context, operation, result, outcome, call?.Response.Interruptions?.ConvertAll(Labels.Of));
        if (Activity.Current is { IsAllDataRequested: true } activity && BridgeTracing.HasListener(activity))
            RequestTracing.DescribeServer(activity, context, result);
    }
}
