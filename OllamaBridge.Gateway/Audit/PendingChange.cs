using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http.HttpResults;

namespace OllamaBridge.Gateway.Audit;

/// <summary>Metadata of an endpoint that makes a change; its action is a value of <see cref="AuditActions"/>.</summary>
internal sealed record AuditedAction(string Action);

/// <summary>Details that an endpoint provides about its change. A feature of the HTTP context.</summary>
internal sealed class PendingChange
{
    private PendingChange()
    {
    }

    /// <summary>Name of the changed object; null for the name in the request's path.</summary>
    public string? Target { get; set; }

    public JsonNode? Before { get; set; }

    public JsonNode? After { get; set; }

    /// <summary>The action, if it differs from the endpoint's metadata.</summary>
    public string? Action { get; set; }

    public bool IsUncertain { get; set; }

    /// <summary>Records the change as made; null until the request is allowed.</summary>
    public Action? Recorder { get; set; }

    public bool IsRecorded { get; private set; }

    /// <summary>Records the change before the endpoint ends, for endpoints that wait after their change.</summary>
    public void RecordNow()
    {
        Recorder?.Invoke();
        IsRecorded = Recorder is not null;
    }

    public static PendingChange Of(HttpContext context)
    {
        if (context.Features.Get<PendingChange>() is { } known)
            return known;
        var change = new PendingChange();
        context.Features.Set(change);
        return change;
    }

    /// <summary>Returns the change of an ended endpoint. A null <paramref name="result"/> means that it ended with an exception.</summary>
    public static AuditChange End(HttpContext context, string action, object? result)
    {
        var change = Of(context);
        var status = (result as IStatusCodeHttpResult)?.StatusCode ?? context.Response.StatusCode;
        var outcome = result is null || change.IsUncertain ? AuditOutcomes.Unknown : AuditOutcomes.Of(status);
        var isDone = outcome == AuditOutcomes.Done;
        return new AuditChange(change.Action ?? action, change.Target ?? PathTarget(context), isDone ? change.Before : null, isDone ? change.After : null)
        {
            Outcome = outcome,
            Status = result is null ? null : status,
            Reason = isDone ? null : (result as ProblemHttpResult)?.ProblemDetails.Detail,
        };
    }

    private static string PathTarget(HttpContext context)
    {
        var values = context.Request.RouteValues;
        var name = (values.GetValueOrDefault("id") ?? values.GetValueOrDefault("name")) as string ?? "";
        return values.GetValueOrDefault("key") is string key ? $"{name}/{key}" : name;
    }
}
