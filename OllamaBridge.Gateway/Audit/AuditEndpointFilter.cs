namespace OllamaBridge.Gateway.Audit;

/// <summary>Records what endpoints with an <see cref="AuditedAction"/> change, and attempts that were refused.</summary>
internal static class AuditEndpointFilter
{
    /// <summary>Names the change that an endpoint makes.</summary>
    public static RouteHandlerBuilder Audited(this RouteHandlerBuilder endpoint, string action) => endpoint.WithMetadata(new AuditedAction(action));

    /// <summary>Runs an endpoint and records its change.</summary>
    /// <param name="context">The request.</param>
    /// <param name="trail">The audit log.</param>
    /// <param name="authorize">Checks the caller; its result is the response of a caller that is refused, null for one that is not.</param>
    /// <param name="next">The endpoint.</param>
    public static async ValueTask<object?> RunAsync(
        HttpContext context, AuditTrail trail, Func<ValueTask<IResult?>> authorize, Func<ValueTask<object?>> next)
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<AuditedAction>() is not { } audited)
            return await authorize() is { } refused ? refused : await next();
        object? result = null;
        var isAllowed = false;
        try
        {
            var refusal = await authorize();
            isAllowed = refusal is null;
            PendingChange.Of(context).Recorder = () => trail.Record(PendingChange.End(context, audited.Action, Results.Ok()), AuditCaller.OfOperator(context, isAllowed: true));
            result = refusal ?? await next();
            return result;
        }
        finally
        {
            if (!PendingChange.Of(context).IsRecorded)
                trail.Record(PendingChange.End(context, audited.Action, result), AuditCaller.OfOperator(context, isAllowed));
        }
    }
}
