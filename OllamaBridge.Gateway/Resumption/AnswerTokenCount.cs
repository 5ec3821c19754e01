using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Counts the tokens of prompt and response, of which a raw request reports only the sum. A message may have several tokens.</summary>
internal sealed class AnswerTokenCount(InstanceQueries questions)
{
    /// <summary>Stores the counts in <paramref name="kept"/>. The caller holds a slot of <paramref name="instance"/>.</summary>
    /// <param name="hides">Whether hidden tokens may differ from those of the tokenizer.</param>
    public async Task CountAsync(
        ForwardedCall call, ResumableRequest request, ResponseTranscript kept, string prompt, string text, TemplateFacts facts, bool hides, Instance instance, CancellationToken cancellationToken)
    {
        var joins = MayJoin(request, kept, facts);
        if (!joins && !hides)
            return;
        kept.PromptTokens ??= await PromptTokensAsync(prompt);
        if (!joins || kept.PromptTokens is not { } before || await PromptTokensAsync(prompt + text) is not { } after)
            return;
        // A model may generate more tokens than its tokenizer produces for the same text. A token has at least one byte.
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

    private static bool MayJoin(ResumableRequest request, ResponseTranscript kept, TemplateFacts facts) =>
        kept.Text.Span.ContainsAnyExceptInRange((byte)0, (byte)127)
        || kept.Thinking.Span.ContainsAnyExceptInRange((byte)0, (byte)127)
        || (facts.Tags is { } tags && MayHold(kept.Thinking, tags.Closing))
        || request.Stops.Concat(facts.Stops).Any(stop => MayHold(kept.Thinking, stop) || MayHold(kept.Text, stop));

    private static bool MayHold(PooledText sent, string awaited) => awaited.Length > 0 && awaited[0] <= 127 && sent.Span.Contains((byte)awaited[0]);
}
