using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.Memory;

namespace OllamaBridge.Simulator.Native;

/// <summary>A request without a prompt: loads the model, or unloads it if keep_alive is 0 (recordings 05-*).</summary>
internal static class LoadReply
{
    // The timeout of needsReload for a runner that is not loading.
    private static readonly TimeSpan PingTimeout = TimeSpan.FromSeconds(10);

    public static async Task SendAsync(
        Call call, StoredModel stored, RunnerSettings settings, TimeSpan? keepAlive, string model, bool chat)
    {
        var unload = keepAlive == TimeSpan.Zero;
        if (unload)
            call.Memory.Expire(stored);
        else
            await LoadAsync(call, stored, settings, keepAlive);
        using var json = new GoJson();
        json.BeginObject().Field("model"u8, model).Field("created_at"u8, call.Now);
        if (chat)
            json.Name("message"u8).BeginObject().Field("role"u8, "assistant").Field("content"u8, "").EndObject();
        else
            json.Field("response"u8, "");
        json.Field("done"u8, true).Field("done_reason"u8, unload ? "unload" : "load").EndObject();
        await Reply.JsonAsync(call.Http, 200, json);
    }

    /// <summary>The server pings the runner before it responds (<c>needsReload</c>), so a frozen one delays the response.</summary>
    private static async Task LoadAsync(Call call, StoredModel stored, RunnerSettings settings, TimeSpan? keepAlive)
    {
        using var lease = await call.Memory.AcquireAsync(stored, settings, keepAlive, call.Aborted);
        var frozen = call.Server.Faults.WhileFrozenAsync(call.Path, stored.ShortName, call.Aborted).AsTask();
        if (frozen.IsCompletedSuccessfully)
            return;
        using (call.Memory.HoldList())
            await Task.WhenAny(frozen, Task.Delay(PingTimeout, call.Time, call.Aborted));
        await frozen;
    }
}
