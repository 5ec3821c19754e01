using System.Buffers;
using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Forwarding.TokenCounts;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Bodies;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Responds to <c>POST /v1/messages/count_tokens</c>: from an instance's own tokenizer if it has the route (llama-server does, Ollama doesn't), else
/// with an estimate that is marked as such. Takes no slot and never makes a model generate.</summary>
internal sealed class TokenCountEndpoint(HttpMessageInvoker client, IFleet fleet, IOptions<ResumptionOptions> options, TimeProvider time) : IRequestStage
{
    /// <summary>The response header with the method of counting: <c>exact</c> or <c>estimate</c>.</summary>
    public const string Header = "X-Bridge-Token-Count";

    private const string Path = "/v1/messages/count_tokens";
    private const int MaxAnswer = 64 * 1024;

    // After this time the server may have been replaced by one that has the route.
    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(10);
    private readonly ConditionalWeakTable<Instance, StrongBox<Moment>> _unable = [];

    public Task InvokeAsync(HttpContext context, RequestDelegate next) =>
        context.Features.GetRequiredFeature<OperationFeature>().Operation.Type == OperationType.CountTokens ? RespondAsync(context) : next(context);

    private async Task RespondAsync(HttpContext context)
    {
        var model = context.Features.GetRequiredFeature<ModelSelection>();
        var received = RequestBodyFeature.Of(context).Body!;
        if (model.Key.Length == 0)
        {
            await ProtocolError.WriteBindingErrorAsync(context, Protocol.Anthropic, "model is required");
            return;
        }

        if (Able(ConfinedTenantFeature.Of(context), model) is { } instance && await QueryAsync(instance, context, received) is { } response)
        {
            context.Response.Headers[ResponseTransformer.InstanceHeader] = instance.Name;
            await WriteAsync(context, (int)response.Status, response.Body, response.Status == HttpStatusCode.OK ? "exact" : null);
        }
        else if (received.Read(body => TokenEstimate.Of(body)) is { } estimate)
        {
            await WriteAsync(context, StatusCodes.Status200OK, Count(estimate), "estimate");
        }
        else
        {
            await ProtocolError.WriteBindingErrorAsync(context, Protocol.Anthropic, "messages is required");
        }
    }

    private Instance? Able(Tenant tenant, ModelSelection selection)
    {
        var now = time.GetMoment();
        if (fleet.Current.For(tenant.Instances).Find(selection.Key, selection.Part) is { } model)
            foreach (var placement in model.Usable)
                if (!_unable.TryGetValue(placement.Instance, out var until) || now >= until.Value)
                    return placement.Instance;
        return null;
    }

    private async Task<(HttpStatusCode Status, ReadOnlyMemory<byte> Body)?> QueryAsync(Instance instance, HttpContext context, ReplayableBody received)
    {
        using var timeout = new LinkedTimeout(options.Value.RenderTimeout, time, context.RequestAborted);
        using var request = new HttpRequestMessage(HttpMethod.Post, instance.Prefix + Path) { Content = received.ToContent() };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        foreach (var name in (ReadOnlySpan<string>)[AnthropicModels.VersionHeader, "anthropic-beta"])
            if (context.Request.Headers.TryGetValue(name, out var value))
                request.Headers.TryAddWithoutValidation(name, value.ToString());
        instance.Authorize(request);
        try
        {
            using var response = await client.SendAsync(request, timeout.Token);
            await response.Content.LoadIntoBufferAsync(MaxAnswer, timeout.Token);
            var body = await response.Content.ReadAsByteArrayAsync(timeout.Token);
            if (response.IsSuccessStatusCode ? IsCount(body) : response.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.RequestEntityTooLarge)
                return (response.StatusCode, body);
            // The server lacks the route. An overloaded or failing server may have it.
            if ((int)response.StatusCode < 500 || response.StatusCode == HttpStatusCode.NotImplemented)
                _unable.AddOrUpdate(instance, new StrongBox<Moment>(time.GetMoment() + Memory));
            return null;
        }
        catch (Exception e) when (e is HttpRequestException or IOException
            || (e is OperationCanceledException && !context.RequestAborted.IsCancellationRequested))
        {
            return null;
        }
    }

    private static bool IsCount(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            return json.RootElement.ValueKind == JsonValueKind.Object
                && json.RootElement.TryGetProperty("input_tokens"u8, out var count) && count.ValueKind == JsonValueKind.Number;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static byte[] Count(long tokens)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteNumber("input_tokens"u8, tokens);
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static Task WriteAsync(HttpContext context, int status, ReadOnlyMemory<byte> body, string? how)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = body.Length;
        if (how is not null)
            context.Response.Headers[Header] = how;
        return context.Response.Body.WriteAsync(body, context.RequestAborted).AsTask();
    }
}
