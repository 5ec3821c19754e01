using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>
/// The ways in which an instance can be asked to go on with an answer, the best first: the same request with the answer so far as the
/// assistant's open turn, where the model's template leaves it open; else the rendered prompt and the answer so far, raw.
/// </summary>
internal sealed class ContinuationPlanner(TemplateProbe templates, InstanceQuestions questions)
{
    /// <summary>Lists the ways, finding out what the next one takes only when it is come to.</summary>
    /// <param name="call">The request.</param>
    /// <param name="request">Its body; null where it cannot be read.</param>
    /// <param name="kept">What the client has been sent.</param>
    /// <param name="instance">Who is to go on.</param>
    /// <param name="cancellationToken">The client has gone.</param>
    public async IAsyncEnumerable<ContinuationPlan> WaysAsync(
        BridgeCall call, ContinuableRequest? request, KeptAnswer kept, Instance instance, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (!kept.HasBegun || request is null)
        {
            // Nothing was sent: the request as it came.
            yield return new ContinuationPlan(PathOf(call.Operation), call.Body!.Read(b => b.ToArray()), k => AnswerReader.For(call.Operation, k)!);
            yield break;
        }

        if (kept.Pieces == 0)
        {
            // Nothing but the frame: the request itself.
            yield return new ContinuationPlan(PathOf(call.Operation), Bytes(request.Copy(request.Limit)), k => AnswerReader.For(call.Operation, k, isUnframed: true)!);
            yield break;
        }

        if (instance.OpenAI is not null)
        {
            // It has no routes that tell of templates, and needs none: it goes on where it is asked to.
            if (Continued(call, request, kept) is { } continued && (call.Operation.Name != "chat" || await questions.OpensTurnsAsync(instance, cancellationToken)))
                yield return continued;
            yield break;
        }

        var native = call.Operation.Name is "chat" or "messages" ? NativeMessages.From(call.Operation.Protocol, request.Body) : null;
        var think = NativeMessages.Think(call.Operation.Protocol, request.Body);
        if (await templates.LearnAsync(call, instance, think, cancellationToken) is not { } facts)
            yield break;
        var remaining = request.Limit - kept.Tokens;
        var isOver = remaining <= 0;
        var limit = isOver ? 1 : remaining;
        if (Prefilled(call, request, kept, facts, limit) is { } prefilled)
            yield return prefilled with { IsOver = isOver };
        if (!request.HasTools && call.Facts.Demands.Images == 0
            && await RenderAsync(call, request, native, facts, instance, cancellationToken) is { } prompt
            && Raw(call, request, kept, facts, prompt, limit) is { } raw)
            yield return raw with { IsOver = isOver };
    }

    private static ContinuationPlan? Prefilled(BridgeCall call, ContinuableRequest request, KeptAnswer kept, TemplateFacts facts, long? limit)
    {
        if (!facts.LeavesOpen || kept.Thinking.Length > 0 || call.Operation.Name is not ("chat" or "messages"))
            return null;
        var body = request.Copy(limit);
        if (!TryOpenTurn(body, kept))
            return null;
        return new ContinuationPlan(PathOf(call.Operation), Bytes(body), k => AnswerReader.For(call.Operation, k, isUnframed: true)!) { HoldsAnswer = true };
    }

    /// <summary>Adds the answer so far as the assistant's turn.</summary>
    /// <returns>False where the client has left one open itself: two in a row are rendered as two.</returns>
    private static bool TryOpenTurn(JsonObject body, KeptAnswer kept)
    {
        if (!MayOpenTurn(body))
            return false;
        ((JsonArray)body["messages"]!).Add(new JsonObject { ["role"] = "assistant", ["content"] = kept.Text.ToString() });
        return true;
    }

    /// <summary>Whether the answer so far can stand behind the messages.</summary>
    internal static bool MayOpenTurn(JsonObject body) => body["messages"] is JsonArray messages
        && !(messages is [.., JsonObject last] && last["role"] is JsonValue role && role.TryGetValue(out string? who) && who == "assistant");

    /// <summary>How servers that speak only OpenAI's API are asked: by vLLM's and SGLang's word for it; llama-server goes on with an open turn by itself.</summary>
    private static ContinuationPlan? Continued(BridgeCall call, ContinuableRequest request, KeptAnswer kept)
    {
        if (kept.Thinking.Length > 0 || call.Operation.Protocol != Protocol.OpenAI)
            return null;
        var remaining = request.Limit - kept.Tokens;
        var body = request.Copy(remaining <= 0 ? 1 : remaining);
        if (call.Operation.Name == "chat")
        {
            if (!TryOpenTurn(body, kept))
                return null;
            body["continue_final_message"] = true;
            body["add_generation_prompt"] = false;
        }
        else
        {
            if (!MayOpenPrompt(body))
                return null;
            body["prompt"] = body["prompt"]!.GetValue<string>() + kept.Text;
        }

        return new ContinuationPlan(PathOf(call.Operation), Bytes(body), k => AnswerReader.For(call.Operation, k, isUnframed: true)!)
        {
            HoldsAnswer = true,
            IsOver = remaining <= 0,
        };
    }

    /// <summary>Whether the answer so far can stand behind the prompt.</summary>
    internal static bool MayOpenPrompt(JsonObject body) =>
        body["prompt"] is JsonValue prompt && prompt.TryGetValue(out string? _) && body["suffix"] is null && body["echo"] is null;

    private static ContinuationPlan? Raw(BridgeCall call, ContinuableRequest request, KeptAnswer kept, TemplateFacts facts, string prompt, long? limit)
    {
        var text = new StringBuilder(prompt);
        ThoughtSplitter? splitter = null;
        if (kept.Thinking.Length > 0)
        {
            if (facts.ThoughtOpen is null || facts.ThoughtClose?.Trim() is not { Length: > 0 } mark)
                return null;
            text.Append(facts.ThoughtOpen).Append(kept.Thinking);
            if (kept.Text.Length > 0)
                text.Append(facts.ThoughtClose);
            else
                splitter = new ThoughtSplitter(Encoding.UTF8.GetBytes(mark));
        }

        text.Append(kept.Text);
        var body = new JsonObject
        {
            ["model"] = call.SentModel,
            ["prompt"] = text.ToString(),
            ["raw"] = true,
            ["stream"] = true,
            // A prompt that was cut would be another.
            ["truncate"] = false,
            ["options"] = RawOptions.From(call.Operation.Protocol, request.Body, limit),
        };
        if (call.Operation.Protocol == Protocol.Ollama)
            foreach (var name in (ReadOnlySpan<string>)["keep_alive", "shift"])
                if (request.Body[name] is { } value)
                    body[name] = value.DeepClone();
        return new ContinuationPlan("/api/generate", Bytes(body), k => new NativeReader(k, splitter) { IsUnframed = true }) { HoldsAnswer = true };
    }

    /// <summary>The text that the model went on from when the answer began.</summary>
    private async Task<string?> RenderAsync(
        BridgeCall call, ContinuableRequest request, JsonObject? native, TemplateFacts facts, Instance instance, CancellationToken cancellationToken)
    {
        if (request.IsRaw)
            return request.Body["prompt"]?.GetValue<string>();
        if (call.Operation.Name is "chat" or "messages")
        {
            if (native is null)
                return null;
            native["model"] = call.SentModel;
            return await questions.RenderAsync(instance, "/api/chat", native, cancellationToken) is { } chat ? facts.ToRaw(chat) : null;
        }

        // Completions do not tell thinking: what was thought is not known.
        if (call.Operation.Protocol == Protocol.OpenAI && facts.Thinks)
            return null;
        var generate = new JsonObject { ["model"] = call.SentModel };
        foreach (var name in (ReadOnlySpan<string>)["prompt", "suffix", "system", "template", "think", "options", "keep_alive"])
            if (request.Body[name] is { } value && (call.Operation.Protocol == Protocol.Ollama || name is "prompt" or "suffix"))
                generate[name] = value.DeepClone();
        return await questions.RenderAsync(instance, "/api/generate", generate, cancellationToken) is { } rendered ? facts.ToRaw(rendered) : null;
    }

    private static string PathOf(Operation operation) => (operation.Protocol, operation.Name) switch
    {
        (Protocol.OpenAI, "chat") => "/v1/chat/completions",
        (Protocol.OpenAI, _) => "/v1/completions",
        (Protocol.Anthropic, _) => "/v1/messages",
        var (_, name) => $"/api/{name}",
    };

    private static byte[] Bytes(JsonObject body) => Encoding.UTF8.GetBytes(body.ToJsonString());
}
