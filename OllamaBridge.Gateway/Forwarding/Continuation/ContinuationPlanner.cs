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
/// assistant's open turn, where the model's template leaves it open; else the rendered prompt and the answer so far, raw. If the client may have been shown less than the
/// model wrote, the raw way needs that text first; else the original request is sent again, and its answer compared with the one that was sent.
/// </summary>
internal sealed class ContinuationPlanner(TemplateProbe templates, HiddenTextProbe hidden, AnswerTokenCount tokens, InstanceQuestions questions)
{
    /// <summary>Lists the ways, finding out what the next one takes only when it is come to.</summary>
    /// <param name="call">The request.</param>
    /// <param name="request">Its body; null where it cannot be read.</param>
    /// <param name="kept">The answer as the client has it.</param>
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
            if (kept.Thinking.Length > 0)
                yield return Replay(call, request);
            yield break;
        }

        var think = NativeMessages.Think(call.Operation.Protocol, request.Body);
        if (await templates.LearnAsync(call, instance, think, cancellationToken) is not { } facts)
        {
            if (kept.Thinking.Length > 0)
                yield return Replay(call, request);
            yield break;
        }

        // The client may have been shown less than the model wrote: then the raw text must be found first.
        var hides = facts.Hides(think) || kept.Thinking.Length > 0;
        if (!hides && Prefilled(call, request, kept, facts) is { } prefilled)
            yield return prefilled;
        var found = hides ? ProbeOutcome.NotFound : ProbeOutcome.Succeeded;
        if (!request.HasTools && call.Facts.Demands.Images == 0 && await RenderAsync(call, request, facts, instance, cancellationToken) is { } prompt)
        {
            if (hides && facts.Tags is { } tags)
                found = await hidden.FindAsync(call, request, kept, tags, prompt, instance, cancellationToken);
            if (found == ProbeOutcome.ErrorTold)
            {
                yield return ContinuationPlan.Failed;
                yield break;
            }

            if (found == ProbeOutcome.Succeeded)
            {
                await tokens.CountAsync(call, request, kept, prompt, RawText(kept), facts, hides, instance, cancellationToken);
                yield return Raw(call, request, kept, facts, prompt);
            }
        }

        if (hides)
            yield return Replay(call, request);
    }

    /// <summary>Whether an answer that may hide text is resumed for sure: the same request gives the same text again.</summary>
    internal static bool MayReplay(ContinuableRequest request) => request.IsDeterministic;

    /// <summary>The original request. Its answer is compared with the one that the client has, which is not sent again.</summary>
    private static ContinuationPlan Replay(BridgeCall call, ContinuableRequest request) =>
        new(PathOf(call.Operation), Bytes(request.Copy(request.Limit)), k => AnswerReader.For(call.Operation, k, isUnframed: true)!) { IsReplay = true };

    /// <summary>How many tokens to ask for, and whether the answer has all that it may have.</summary>
    private static (long? Limit, bool IsOver) Remaining(ContinuableRequest request, TemplateFacts? facts, KeptAnswer kept) =>
        (request.IsUnlimited ? null : request.Limit ?? facts?.Limit) - kept.Tokens is not { } remaining ? (null, false) : remaining <= 0 ? (1, true) : (remaining, false);

    private static ContinuationPlan? Prefilled(BridgeCall call, ContinuableRequest request, KeptAnswer kept, TemplateFacts facts)
    {
        if (!facts.LeavesOpen || call.Operation.Name is not ("chat" or "messages"))
            return null;
        var (limit, isOver) = Remaining(request, facts, kept);
        var body = request.Copy(limit);
        if (!TryOpenTurn(body, kept))
            return null;
        return new ContinuationPlan(PathOf(call.Operation), Bytes(body), k => AnswerReader.For(call.Operation, k, isUnframed: true)!) { HoldsAnswer = true, IsOver = isOver };
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
        var (limit, isOver) = Remaining(request, facts: null, kept);
        var body = request.Copy(limit);
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
            IsOver = isOver,
        };
    }

    /// <summary>Whether the answer so far can stand behind the prompt.</summary>
    internal static bool MayOpenPrompt(JsonObject body) =>
        body["prompt"] is JsonValue prompt && prompt.TryGetValue(out string? _) && body["suffix"] is null && body["echo"] is null;

    /// <summary>The raw text of the answer so far.</summary>
    private static string RawText(KeptAnswer kept) => kept.Lead?.Text + kept.Thinking + (kept.HasThought ? kept.Close?.Text : "") + kept.Text;

    private static ContinuationPlan Raw(BridgeCall call, ContinuableRequest request, KeptAnswer kept, TemplateFacts facts, string prompt)
    {
        var (limit, isOver) = Remaining(request, facts, kept);
        var text = prompt + RawText(kept);
        var isThinking = kept.Thinking.Length > 0 && kept.Text.Length == 0;
        return new ContinuationPlan("/api/generate", Bytes(RawRequest.Create(call, request, text, limit)), Reader) { HoldsAnswer = true, IsOver = isOver };

        AnswerReader Reader(KeptAnswer k) =>
            new NativeReader(k, isThinking ? new RawAnswer(new ThinkingParser(facts.Tags!, ThinkingState.Thinking)) : null) { IsUnframed = true };
    }

    /// <summary>The text that the model went on from when the answer began.</summary>
    private async Task<string?> RenderAsync(
        BridgeCall call, ContinuableRequest request, TemplateFacts facts, Instance instance, CancellationToken cancellationToken)
    {
        if (request.IsRaw)
            return request.Body["prompt"]?.GetValue<string>();
        if (call.Operation.Name is "chat" or "messages")
        {
            if (NativeMessages.From(call.Operation.Protocol, request.Body) is not { } native)
                return null;
            if (!facts.Thinks && call.Operation.Protocol == Protocol.Anthropic)
                native.Remove("think");
            native["model"] = call.SentModel;
            return await questions.RenderAsync(instance, "/api/chat", native, cancellationToken) is { } chat ? facts.ToRaw(chat) : null;
        }

        // Completions do not show thinking, so it is unknown.
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
