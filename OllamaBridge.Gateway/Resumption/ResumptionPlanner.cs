using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Best plan first: the response as an open turn, else a raw prompt with its hidden text, last a replay that is compared.</summary>
internal sealed class ResumptionPlanner(TemplateProbe templates, HiddenTextProbe hidden, AnswerTokenCount tokens, InstanceQueries questions)
{
    /// <summary>An instance is queried for a plan only when the caller reaches it.</summary>
    public async IAsyncEnumerable<ResumptionPlan> WaysAsync(
        ForwardedCall call, ResumableRequest? request, ResponseTranscript kept, Instance instance, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (!kept.HasBegun || request is null)
        {
            // The client received nothing: send the original request.
            yield return new ResumptionPlan(PathOf(call.Operation), call.Body!.Read(b => b.ToArray()), k => ResponseReader.For(call.Operation, k)!);
            yield break;
        }

        if (kept.Pieces == 0)
        {
            // The client received only the frame of the stream: send the original request.
            yield return new ResumptionPlan(PathOf(call.Operation), Bytes(request.Copy(request.Limit)), k => ResponseReader.For(call.Operation, k, isUnframed: true)!);
            yield break;
        }

        if (instance.OpenAI is not null)
        {
            // OpenAI servers have no routes about templates and need none: they resume on request.
            if (Continued(call, request, kept) is { } continued && (call.Operation.Type != OperationType.Chat || await questions.OpensTurnsAsync(instance, cancellationToken)))
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

        // The model may have written more than the client received: then the raw text must be found first.
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
                yield return ResumptionPlan.Failed;
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

    internal static bool MayReplay(ResumableRequest request) => request.IsDeterministic;

    private static ResumptionPlan Replay(ForwardedCall call, ResumableRequest request) =>
        new(PathOf(call.Operation), Bytes(request.Copy(request.Limit)), k => ResponseReader.For(call.Operation, k, isUnframed: true)!) { IsReplay = true };

    private static (long? Limit, bool IsOver) Remaining(ResumableRequest request, TemplateFacts? facts, ResponseTranscript kept) =>
        (request.IsUnlimited ? null : request.Limit ?? facts?.Limit) - kept.Tokens is not { } remaining ? (null, false) : remaining <= 0 ? (1, true) : (remaining, false);

    private static ResumptionPlan? Prefilled(ForwardedCall call, ResumableRequest request, ResponseTranscript kept, TemplateFacts facts)
    {
        if (!facts.LeavesOpen || call.Operation.Name is not ("chat" or "messages"))
            return null;
        var (limit, isOver) = Remaining(request, facts, kept);
        var body = request.Copy(limit);
        if (!TryOpenTurn(body, kept))
            return null;
        return new ResumptionPlan(PathOf(call.Operation), Bytes(body), k => ResponseReader.For(call.Operation, k, isUnframed: true)!) { HoldsAnswer = true, IsOver = isOver };
    }

    /// <returns>False if the client has left a turn open itself: templates render two in a row as two.</returns>
    private static bool TryOpenTurn(JsonObject body, ResponseTranscript kept)
    {
        if (!MayOpenTurn(body))
            return false;
        ((JsonArray)body["messages"]!).Add(new JsonObject { ["role"] = "assistant", ["content"] = kept.Text.ToString() });
        return true;
    }

    internal static bool MayOpenTurn(JsonObject body) => body["messages"] is JsonArray messages
        && !(messages is [.., JsonObject last] && last["role"] is JsonValue role && role.TryGetValue(out string? who) && who == "assistant");

    /// <summary>For servers with only OpenAI's API: with the field of vLLM and SGLang, which llama-server doesn't need.</summary>
    private static ResumptionPlan? Continued(ForwardedCall call, ResumableRequest request, ResponseTranscript kept)
    {
        if (kept.Thinking.Length > 0 || call.Operation.Protocol != Protocol.OpenAI)
            return null;
        var (limit, isOver) = Remaining(request, facts: null, kept);
        var body = request.Copy(limit);
        if (call.Operation.Type == OperationType.Chat)
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

        return new ResumptionPlan(PathOf(call.Operation), Bytes(body), k => ResponseReader.For(call.Operation, k, isUnframed: true)!)
        {
            HoldsAnswer = true,
            IsOver = isOver,
        };
    }

    internal static bool MayOpenPrompt(JsonObject body) =>
        body["prompt"] is JsonValue prompt && prompt.TryGetValue(out string? _) && body["suffix"] is null && body["echo"] is null;

    private static string RawText(ResponseTranscript kept) => kept.Lead?.Text + kept.Thinking + (kept.HasThought ? kept.Close?.Text : "") + kept.Text;

    private static ResumptionPlan Raw(ForwardedCall call, ResumableRequest request, ResponseTranscript kept, TemplateFacts facts, string prompt)
    {
        var (limit, isOver) = Remaining(request, facts, kept);
        var text = prompt + RawText(kept);
        var isThinking = kept.Thinking.Length > 0 && kept.Text.Length == 0;
        return new ResumptionPlan("/api/generate", Bytes(RawRequest.Create(call, request, text, limit)), Reader) { HoldsAnswer = true, IsOver = isOver };

        ResponseReader Reader(ResponseTranscript k) =>
            new NativeReader(k, isThinking ? new RawAnswer(new ThinkingParser(facts.Tags!, ThinkingState.Thinking)) : null) { IsUnframed = true };
    }

    private async Task<string?> RenderAsync(
        ForwardedCall call, ResumableRequest request, TemplateFacts facts, Instance instance, CancellationToken cancellationToken)
    {
        if (request.IsRaw)
            return request.Body["prompt"]?.GetValue<string>();
        if (call.Operation.Type is OperationType.Chat or OperationType.Messages)
        {
            if (NativeMessages.From(call.Operation.Protocol, request.Body) is not { } native)
                return null;
            if (!facts.Thinks && call.Operation.Protocol == Protocol.Anthropic)
                native.Remove("think");
            native["model"] = call.Model.SentName;
            return await questions.RenderAsync(instance, "/api/chat", native, cancellationToken) is { } chat ? facts.ToRaw(chat) : null;
        }

        // Completions omit thinking, so the text is unknown.
        if (call.Operation.Protocol == Protocol.OpenAI && facts.Thinks)
            return null;
        var generate = new JsonObject { ["model"] = call.Model.SentName };
        foreach (var name in (ReadOnlySpan<string>)["prompt", "suffix", "system", "template", "think", "options", "keep_alive"])
            if (request.Body[name] is { } value && (call.Operation.Protocol == Protocol.Ollama || name is "prompt" or "suffix"))
                generate[name] = value.DeepClone();
        return await questions.RenderAsync(instance, "/api/generate", generate, cancellationToken) is { } rendered ? facts.ToRaw(rendered) : null;
    }

    private static string PathOf(Operation operation) => (operation.Protocol, operation.Type) switch
    {
        (Protocol.OpenAI, OperationType.Chat) => "/v1/chat/completions",
        (Protocol.OpenAI, _) => "/v1/completions",
        (Protocol.Anthropic, _) => "/v1/messages",
        _ => $"/api/{operation.Name}",
    };

    private static byte[] Bytes(JsonObject body) => Encoding.UTF8.GetBytes(body.ToJsonString());
}
