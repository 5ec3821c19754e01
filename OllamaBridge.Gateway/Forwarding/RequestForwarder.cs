using Microsoft.AspNetCore.Http.Features;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Bodies;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Forwarding;

internal sealed class RequestForwarder(AttemptLoop attempts, StreamResumer resumer, FaultRecorder faults, RetryBudget budget, QueueWaits waits)
{
    public async Task<RequestResult> ForwardAsync(HttpContext context, ForwardingTarget target)
    {
        var call = Create(context, target);
        context.Features.Set(call);
        budget.Deposit();
        var failed = faults.Begin(call);
        try
        {
            if (call.IsRepeatable)
            {
                using var repeatable = RestartableResponse.For(context);
                await RespondAsync(context, call, failed);
            }
            else if (call.Wait.Ticket is not null)
            {
                using var response = RestartableResponse.For(context);
                await using var heartbeat = waits.StartHeartbeat(context, call);
                await RespondAsync(context, call, failed);
            }
            else
            {
                await RespondAsync(context, call, failed);
            }
        }
        finally
        {
            failed.End();
            call.Response.Transcript?.Dispose();
        }

        return call.Result;
    }

    private ForwardedCall Create(HttpContext context, ForwardingTarget target)
    {
        var features = context.Features;
        var operation = features.GetRequiredFeature<OperationFeature>();
        var body = RequestBodyFeature.Of(context);
        var result = features.GetRequiredFeature<RequestResult>();
        return new ForwardedCall(operation, ConfinedTenantFeature.Of(context), body, features.GetRequiredFeature<ModelSelection>(), result)
        {
            Target = target,
            Pinned = target.Pinned,
            Wait = waits.Create(context, operation.Operation, body.Facts, result.StartedAt),
        };
    }

    private async Task RespondAsync(HttpContext context, ForwardedCall call, FailedAttempts failed)
    {
        if (await attempts.RunAsync(context, call, failed) is { } broken
            && await resumer.ResumeAsync(context, call, broken) is { } whole)
            call.Result.AnsweredBy = whole.Lease.Instance;
        if (context.RequestAborted.IsCancellationRequested && call.Result.Outcome is null
            && call.Response is { Interruptions: not null, Transcript: { End.Reason: null } })
            call.Result.Outcome = RequestOutcome.Cancelled;
    }
}
