using System.Text.Json;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.Hosting;

/// <summary>Selects the fault of a request, and applies faults that precede its handler.</summary>
internal static class FaultGate
{
    private const string Broken = "llama runner process has terminated: signal: killed";
    private const string Busy = "server busy, please try again.  maximum pending requests exceeded";

    /// <summary>True if the request needs no handler any more.</summary>
    public static async ValueTask<bool> PassAsync(Call call, Route route)
    {
        if (!call.Server.Faults.Any)
            return false;
        call.Fault = call.Server.Faults.Take(call.Path, route.Inference, ModelOf(call));
        switch (call.Fault)
        {
            case { Kind: FaultKind.ResetBeforeHeaders }:
                Connections.Reset(call.Http);
                return true;
            case { Kind: FaultKind.Hang }:
                await Task.Delay(Timeout.InfiniteTimeSpan, call.Time, call.Aborted);
                return true;
            case { Kind: FaultKind.Status } fault:
                var status = fault.Status == 0 ? 500 : fault.Status;
                if (fault.RetryAfter is { } seconds)
                    call.Http.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
                if (fault.Page is { } page)
                {
                    await Reply.BytesAsync(call.Http, status, System.Text.Encoding.UTF8.GetBytes(page), ContentTypes.Html);
                    return true;
                }

                throw new ApiError(status, fault.Message ?? (status == 503 ? Busy : Broken));
            case { Kind: FaultKind.Die, AfterTokens: 0 }:
                await call.Server.KillAsync();
                return true;
            case { Kind: FaultKind.SlowFirstToken } fault when !route.Inference:
                await Task.Delay(fault.Delay > TimeSpan.Zero ? fault.Delay : Timeout.InfiniteTimeSpan, call.Time, call.Aborted);
                return false;
            default:
                return false;
        }
    }

    private static string? ModelOf(Call call)
    {
        if (call.Body.IsEmpty)
            return null;
        try
        {
            using var body = RequestBody.Parse(call.Body);
            return body.Root.Text("model"u8) is { Length: > 0 } model ? model : body.Root.Text("name"u8);
        }
        catch (Exception e) when (e is ApiError or JsonException)
        {
            return null;
        }
    }
}
