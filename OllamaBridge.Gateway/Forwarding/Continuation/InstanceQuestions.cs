using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>Small questions that the bridge itself asks an instance before it sends a continuation there: how a prompt is rendered, what a model is.</summary>
internal sealed class InstanceQuestions(HttpMessageInvoker client, IFleet fleet, IOptions<ContinuationOptions> options, TimeProvider time)
{
    // A rendered prompt is as long as the prompt; a description of a model is far shorter.
    private const int MaxAnswer = 64 * 1024 * 1024;
    private static readonly MediaTypeHeaderValue Json = new("application/json");

    /// <summary>The text that a model would go on from (<c>_debug_render_only</c>; recordings 06-*-rendered).</summary>
    /// <param name="instance">Whom to ask.</param>
    /// <param name="path"><c>/api/chat</c> or <c>/api/generate</c>.</param>
    /// <param name="request">The request; changed.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Null where the instance does not tell.</returns>
    public async Task<string?> RenderAsync(Instance instance, string path, JsonObject request, CancellationToken cancellationToken)
    {
        request["_debug_render_only"] = true;
        request["stream"] = false;
        var answer = await AskAsync(instance, path, request, cancellationToken);
        return answer?["_debug_info"]?["rendered_template"] is JsonValue value && value.TryGetValue(out string? text) ? text : null;
    }

    /// <summary>Asks.</summary>
    /// <returns>Null where there is no answer, or none that is one.</returns>
    public async Task<JsonObject?> AskAsync(Instance instance, string path, JsonObject request, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(options.Value.RenderTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        using var message = new HttpRequestMessage(HttpMethod.Post, instance.Prefix + path)
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes(request.ToJsonString())) { Headers = { ContentType = Json } },
        };
        instance.Authorize(message);
        try
        {
            using var response = await client.SendAsync(message, either.Token);
            if (!response.IsSuccessStatusCode)
                return null;
            await response.Content.LoadIntoBufferAsync(MaxAnswer, either.Token);
            return await JsonNode.ParseAsync(await response.Content.ReadAsStreamAsync(either.Token), cancellationToken: either.Token) as JsonObject;
        }
        catch (HttpRequestException e) when (e.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError)
        {
            fleet.ReportFailure(instance, InstanceFailure.Refused);
            return null;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or JsonException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return null;
        }
    }
}
