using System.Buffers;
using System.Net.Http.Headers;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Bodies;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Unloads a model everywhere: <c>ollama stop</c>, and any native request with <c>keep_alive: 0</c> and no prompt, goes to every instance of this
/// region that has the model's weights in memory. The client gets the response of one of them. No slot is needed.</summary>
internal sealed class UnloadStage(HttpMessageInvoker client, IFleet fleet, ModelAudit audit, TimeProvider time, ILogger<UnloadStage> logger) : IRequestStage
{
    // A server responds at once, and unloads when its running requests have ended.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly MediaTypeHeaderValue Json = new("application/json");

    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var operation = context.Features.GetRequiredFeature<OperationFeature>().Operation;
        var body = RequestBodyFeature.Of(context);
        var key = context.Features.GetRequiredFeature<ModelSelection>().Key;
        return key.Length > 0 && body.Body is not null && UnloadRequest.Matches(operation, body.Facts)
            && fleet.Current.For(ConfinedTenantFeature.Of(context).Instances).Models.GetValueOrDefault(key) is { } model
            ? UnloadAsync(context, operation, body, key, model, next)
            : next(context);
    }

    private async Task UnloadAsync(HttpContext context, Operation operation, RequestBodyFeature body, string key, ModelView model, RequestDelegate next)
    {
        audit.RecordBefore(context);
        if (model.IsAsleep)
        {
            // Don't start an instance only to unload a model.
            await RouterResponse.WriteAsync(context, Answer(operation, body.Facts.Model), "application/json; charset=utf-8");
            return;
        }

        var holders = model.Placements.Concat(model.Others).Where(p => IsHolder(p, key)).ToList();
        var first = holders.Find(p => p.View.IsUsable && model.Placements.Contains(p));
        if (first is not null)
            holders.Remove(first);
        context.Features.Set(new ForwardingTarget(first?.Instance, IsUnload: true));
        await Task.WhenAll(holders.Select(holder => UnloadAsync(operation, body.Body!, key, holder, context.RequestAborted)));
        await next(context);
    }

    /// <summary>Whether a healthy instance has the model's weights in memory according to the last probe and its requests.</summary>
    private static bool IsHolder(ModelPlacement placement, string model) =>
        placement is { View.Status: InstanceStatus.Healthy, Instance.Kind: InstanceKind.Ollama }
        && (placement.State.IsWarm || placement.View.Loaded.Any(m => m.Key == model));

    private async Task UnloadAsync(Operation operation, ReplayableBody body, string key, ModelPlacement placement, CancellationToken gone)
    {
        using var timeout = new LinkedTimeout(Patience, time, gone);
        using var message = new HttpRequestMessage(HttpMethod.Post, $"{placement.Instance.Prefix}/api/{operation.Name}")
        {
            Content = body.ToContent(),
        };
        message.Content.Headers.ContentType = Json;
        placement.Instance.Authorize(message);
        try
        {
            using var response = await client.SendAsync(message, timeout.Token);
            if (!response.IsSuccessStatusCode)
                ForwardingLog.UnloadFailed(logger, key, placement.Instance.Name, $"status {(int)response.StatusCode}");
            else if (placement.State.Active == 0)
                placement.State.AssumeEvicted(time.GetTimestamp());
        }
        catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !gone.IsCancellationRequested))
        {
            ForwardingLog.UnloadFailed(logger, key, placement.Instance.Name, e.Message);
        }
    }

    /// <summary>Ollama's response for a model that is not in its memory (recording 05-unload-not-loaded).</summary>
    private ReadOnlyMemory<byte> Answer(Operation operation, string? model)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("model"u8, model);
        json.WriteString("created_at"u8, time.GetWallClock().UtcDateTime);
        if (operation.Type == OperationType.Chat)
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
