using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Queries an instance before a resumption is sent there: how it renders a prompt, and the properties of a model.</summary>
internal sealed class InstanceQueries(HttpMessageInvoker client, IFleet fleet, IOptions<ResumptionOptions> options, TimeProvider time)
{
    private readonly RenderSupport _support = new(fleet);
    private readonly OpenTurnSupport _openTurns = new();
    // A rendered prompt is as long as the prompt. A description of a model is far shorter.
    private const int MaxAnswer = 64 * 1024 * 1024;
    private static readonly MediaTypeHeaderValue Json = new("application/json");

    /// <summary>Changes <paramref name="request"/>, by <c>_debug_render_only</c> (recordings 06-*-rendered).</summary>
    /// <returns>Null if the instance does not render prompts.</returns>
    public async Task<string?> RenderAsync(Instance instance, string path, JsonObject request, CancellationToken cancellationToken)
    {
        if (_support.Find(instance) == false)
            return null;
        request["_debug_render_only"] = true;
        request["stream"] = false;
        if (_support.Find(instance) == true)
            return Rendered(await AskAsync(instance, path, request, cancellationToken));
        using var turn = await _support.EnterAsync(instance, cancellationToken);
        if (_support.Find(instance) is { } known)
            return known ? Rendered(await AskAsync(instance, path, request, cancellationToken)) : null;
        // If the server responds to the prompt instead, limit that to one token.
        if (request["options"] is not JsonObject limits)
            request["options"] = limits = [];
        limits["num_predict"] = 1;
        var answer = await AskAsync(instance, path, request, cancellationToken);
        var rendered = Rendered(answer);
        // An error is no evidence: it may be the model's.
        if (answer is not null)
            _support.Note(instance, rendered is not null);
        return rendered;
    }

    public Task<bool> OpensTurnsAsync(Instance instance, CancellationToken cancellationToken) =>
        _openTurns.LearnAsync(instance, () => AskAsync(instance, "/v1/models", null, cancellationToken));

    /// <param name="request">A body for <c>/api/generate</c> that requests a stream.</param>
    /// <param name="read">Receives the text of a token; false ends the reading and the instance's work.</param>
    public async Task<ProbeOutcome> ReadRawAsync(Instance instance, JsonObject request, Func<string, bool> read, CancellationToken cancellationToken)
    {
        using var timeout = new LinkedTimeout(options.Value.RenderTimeout, time, cancellationToken);
        using var message = Message(instance, "/api/generate", request);
        try
        {
            using var response = await client.SendAsync(message, timeout.Token);
            if (!response.IsSuccessStatusCode)
                return ProbeOutcome.NotFound;
            using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(timeout.Token));
            while (await lines.ReadLineAsync(timeout.Token) is { } line)
            {
                if (JsonNode.Parse(line) is not JsonObject part)
                    return ProbeOutcome.NotFound;
                if (part["error"] is not null)
                    return ProbeOutcome.ErrorTold;
                if (part["response"] is JsonValue value && value.TryGetValue(out string? token) && token.Length > 0 && !read(token))
                    return ProbeOutcome.Succeeded;
                if (part["done"] is JsonValue done && done.TryGetValue(out bool isDone) && isDone)
                    return ProbeOutcome.Succeeded;
            }

            return ProbeOutcome.NotFound;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or JsonException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return ProbeOutcome.NotFound;
        }
    }

    private static string? Rendered(JsonObject? answer) =>
        answer?["_debug_info"]?["rendered_template"] is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    /// <returns>Null if there is no successful response with a JSON object.</returns>
    public async Task<JsonObject?> AskAsync(Instance instance, string path, JsonObject? request, CancellationToken cancellationToken)
    {
        using var timeout = new LinkedTimeout(options.Value.RenderTimeout, time, cancellationToken);
        using var message = Message(instance, path, request);
        try
        {
            using var response = await client.SendAsync(message, timeout.Token);
            if (!response.IsSuccessStatusCode)
                return null;
            await response.Content.LoadIntoBufferAsync(MaxAnswer, timeout.Token);
            return await JsonNode.ParseAsync(await response.Content.ReadAsStreamAsync(timeout.Token), cancellationToken: timeout.Token) as JsonObject;
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

    private static HttpRequestMessage Message(Instance instance, string path, JsonObject? request)
    {
        var message = new HttpRequestMessage(request is null ? HttpMethod.Get : HttpMethod.Post, instance.Prefix + path)
        {
            Content = request is null ? null : new ByteArrayContent(Encoding.UTF8.GetBytes(request.ToJsonString())) { Headers = { ContentType = Json } },
        };
        instance.Authorize(message);
        return message;
    }
}
