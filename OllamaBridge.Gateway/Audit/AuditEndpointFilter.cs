namespace OllamaBridge.Gateway.Audit;

/// <summary>Records the changes of endpoints with an <see cref="AuditedAction"/>, including refused attempts.</summary>
internal static class AuditEndpointFilter
{
    public static RouteHandlerBuilder Audited(this RouteHandlerBuilder endpoint, string action) => endpoint.WithMetadata(new AuditedAction(action));

    /// <summary><paramref name="authorize"/> returns the response to a refused request, null for an allowed one.</summary>
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
            PendingChange.Of(context).Recorder = () =>
                trail.Record(PendingChange.End(context, audited.Action, Results.Ok()), AuditCaller.OfOperator(context, isAllowed: true));
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
