using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http.HttpResults;

namespace OllamaBridge.Gateway.Audit;

/// <summary>Metadata of an endpoint that changes something.</summary>
/// <param name="Action">A value of <see cref="AuditActions"/>.</param>
internal sealed record AuditedAction(string Action);

/// <summary>What an endpoint notes about the change that it makes. A feature of the HTTP context.</summary>
internal sealed class PendingChange
{
    private PendingChange()
    {
    }

    /// <summary>What is changed; null for the name in the request's path.</summary>
    public string? Target { get; set; }

    /// <summary>The target before.</summary>
    public JsonNode? Before { get; set; }

    /// <summary>The target after.</summary>
    public JsonNode? After { get; set; }

    /// <summary>The action, if it is another one than the endpoint's metadata say.</summary>
    public string? Action { get; set; }

    /// <summary>Whether it cannot be told if the change was made.</summary>
    public bool IsUncertain { get; set; }

    /// <summary>Records the change as made; null while nothing may be recorded.</summary>
    public Action? Recorder { get; set; }

    /// <summary>Whether it has been recorded.</summary>
    public bool IsRecorded { get; private set; }

    /// <summary>Records the change before the endpoint ends: it has been made, and what follows only waits.</summary>
    public void RecordNow()
    {
        Recorder?.Invoke();
        IsRecorded = Recorder is not null;
    }

    /// <summary>The change of a request.</summary>
    public static PendingChange Of(HttpContext context)
    {
        if (context.Features.Get<PendingChange>() is { } known)
            return known;
        var change = new PendingChange();
        context.Features.Set(change);
        return change;
    }

    /// <summary>What an endpoint did.</summary>
    /// <param name="context">The request.</param>
    /// <param name="action">The endpoint's action.</param>
    /// <param name="result">Its result; null if it ended with an exception.</param>
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
