using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>
/// Counts the tokens of a prompt and of the answer so far before a raw request, in whose count they are one. Messages may have had several tokens: a server holds what may be
/// the beginning of a stop sequence or of a closing tag, and parts of a character. Then the instance's own count of the text decides: its count of the prompt with the text, less
/// that of the prompt.
/// </summary>
internal sealed class AnswerTokenCount(InstanceQuestions questions)
{
    /// <summary>Counts the tokens that are unknown, and keeps the result with the answer.</summary>
    /// <param name="call">The request.</param>
    /// <param name="request">Its body.</param>
    /// <param name="kept">The answer as the client has it.</param>
    /// <param name="prompt">The rendered prompt.</param>
    /// <param name="text">The raw text of the answer so far.</param>
    /// <param name="facts">The facts about the model.</param>
    /// <param name="hides">Whether tokens are hidden. They may be others than the tokenizer makes of the text.</param>
    /// <param name="instance">The instance that is to resume the answer; the caller holds a slot of it.</param>
    /// <param name="cancellationToken">The client has gone.</param>
    public async Task CountAsync(
        BridgeCall call, ContinuableRequest request, KeptAnswer kept, string prompt, string text, TemplateFacts facts, bool hides, Instance instance, CancellationToken cancellationToken)
    {
        var joins = MayJoin(request, kept, facts);
        if (!joins && !hides)
            return;
        kept.PromptTokens ??= await PromptTokensAsync(prompt);
        if (!joins || kept.PromptTokens is not { } before || await PromptTokensAsync(prompt + text) is not { } after)
            return;
        // A model may write more tokens than its tokenizer makes of the text; a token is never less than a byte.
        kept.JoinedTokens = 0;
        kept.JoinedTokens = (int)Math.Clamp(after - before - kept.Tokens, 0, text.Length);

        async Task<long?> PromptTokensAsync(string of)
        {
            var body = RawRequest.Create(call, request, of, limit: 1);
            body["stream"] = false;
            return await questions.AskAsync(instance, "/api/generate", body, cancellationToken) is { } answer
                && answer["prompt_eval_count"] is JsonValue value && value.TryGetValue(out long tokens) ? tokens : null;
        }
    }

    private static bool MayJoin(ContinuableRequest request, KeptAnswer kept, TemplateFacts facts) =>
        kept.Text.Span.ContainsAnyExceptInRange((byte)0, (byte)127)
        || kept.Thinking.Span.ContainsAnyExceptInRange((byte)0, (byte)127)
        || (facts.Tags is { } tags && MayHold(kept.Thinking, tags.Closing))
        || request.Stops.Concat(facts.Stops).Any(stop => MayHold(kept.Thinking, stop) || MayHold(kept.Text, stop));

    /// <summary>Whether the beginning of a text that the server waits for may have been held.</summary>
    private static bool MayHold(PooledText sent, string awaited) => awaited.Length > 0 && awaited[0] <= 127 && sent.Span.Contains((byte)awaited[0]);
}
