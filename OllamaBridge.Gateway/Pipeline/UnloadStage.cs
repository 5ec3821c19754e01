using System.Buffers;
using System.Net.Http.Headers;
using System.Text.Json;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>
/// Unloads a model everywhere: <c>ollama stop</c>, and any native request with <c>keep_alive: 0</c> and no prompt, goes to every instance of this
/// region that has the model's weights in memory. The client gets the response of one of them. No slot is needed.
/// </summary>
internal sealed class UnloadStage(HttpMessageInvoker client, IFleet fleet, ModelAudit audit, TimeProvider time, ILogger<UnloadStage> logger)
{
    // A server responds at once, and unloads when its running requests have ended.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly MediaTypeHeaderValue Json = new("application/json");

    /// <summary>Whether a request only unloads its model, by the same rule as Ollama (<c>server/routes.go</c>).</summary>
    public static bool IsUnload(Operation operation, in RequestFacts facts) =>
        operation is { Protocol: Protocol.Ollama, Kind: OperationKind.Inference, Name: "generate" or "chat" }
        && !facts.HasInput && facts.Demands.KeepAlive == TimeSpan.Zero;

    public async Task InvokeAsync(HttpContext context, BridgeCall call, Func<HttpContext, BridgeCall, Task> next)
    {
        if (call.ModelKey.Length == 0 || call.Body is null || !IsUnload(call.Operation, call.Facts)
            || fleet.Current.For(call.Tenant.Instances).Models.GetValueOrDefault(call.ModelKey) is not { } model)
        {
            await next(context, call);
            return;
        }

        call.IsUnload = true;
        audit.NoteBefore(call);
        if (model.IsAsleep)
        {
            // Don't start an instance only to unload a model.
            await InventoryStage.WriteAsync(context, Answer(call), "application/json; charset=utf-8");
            return;
        }

        var holders = model.Placements.Concat(model.Others).Where(p => IsHolder(p, call.ModelKey)).ToList();
        if (holders.Find(p => p.View.IsUsable && model.Placements.Contains(p)) is { } first)
        {
            call.Pinned = first.Instance;
            holders.Remove(first);
        }

        await Task.WhenAll(holders.Select(holder => UnloadAsync(call, holder, context.RequestAborted)));
        await next(context, call);
    }

    /// <summary>Whether a healthy instance has the model's weights in memory according to the last probe and its requests.</summary>
    private static bool IsHolder(ModelPlacement placement, string model) =>
        placement is { View.Status: InstanceStatus.Healthy, Instance.Kind: InstanceKind.Ollama }
        && (placement.State.IsWarm || placement.View.Loaded.Any(m => m.Key == model));

    private async Task UnloadAsync(BridgeCall call, ModelPlacement placement, CancellationToken gone)
    {
        using var timeout = new LinkedTimeout(Patience, time, gone);
        using var message = new HttpRequestMessage(HttpMethod.Post, $"{placement.Instance.Prefix}/api/{call.Operation.Name}")
        {
            Content = call.Body!.ToContent(),
        };
        message.Content.Headers.ContentType = Json;
        placement.Instance.Authorize(message);
        try
        {
            using var response = await client.SendAsync(message, timeout.Token);
            if (!response.IsSuccessStatusCode)
                ForwardingLog.UnloadFailed(logger, call.ModelKey, placement.Instance.Name, $"status {(int)response.StatusCode}");
            else if (placement.State.Active == 0)
                placement.State.AssumeEvicted(time.GetTimestamp());
        }
        catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !gone.IsCancellationRequested))
        {
            ForwardingLog.UnloadFailed(logger, call.ModelKey, placement.Instance.Name, e.Message);
        }
    }

    /// <summary>Ollama's response for a model that is not in its memory (recording 05-unload-not-loaded).</summary>
    private ReadOnlyMemory<byte> Answer(BridgeCall call)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("model"u8, call.Facts.Model);
        json.WriteString("created_at"u8, time.GetWallClock().UtcDateTime);
        if (call.Operation.Name == "chat")
        {
            json.WriteStartObject("message"u8);
            json.WriteString("role"u8, "assistant"u8);
            json.WriteString("content"u8, ""u8);
            json.WriteEndObject();
        }
        else
        {
            json.WriteString("response"u8, ""u8);
        }

        json.WriteBoolean("done"u8, true);
        json.WriteString("done_reason"u8, "unload"u8);
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }
}
