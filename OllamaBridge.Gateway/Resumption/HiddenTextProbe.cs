using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Finds text around a model's thinking that clients don't receive: the instance writes that part again until known text follows.</summary>
internal sealed class HiddenTextProbe(InstanceQueries questions)
{
    // Tags and whitespace are a few tokens. The probe does not support a model that writes more before its first text.
    private const int MaxTokens = 64;

    // How often a sampled text is written again until it begins as the client's text does.
    private const int MaxSamples = 4;

    /// <summary>Stores the text in <paramref name="kept"/>. The caller holds a slot of <paramref name="instance"/>.</summary>
    public async Task<ProbeOutcome> FindAsync(
        ForwardedCall call, ResumableRequest request, ResponseTranscript kept, ThinkingTags tags, string prompt, Instance instance, CancellationToken cancellationToken)
    {
        var outcome = ProbeOutcome.NotFound;
        var (thinking, text) = (kept.Thinking.ToString(), kept.Text.ToString());
        if (kept.Lead is null && thinking.Length == 0 && text.AsSpan().TrimStart().StartsWith(tags.Opening))
            // A server that separates thinking from content removes the tag. An older one passes on everything.
            kept.Lead = new HiddenText("", 0);
        kept.Lead ??= await WriteAsync(prompt, ThinkingParser.After(prompt, tags), thinking.Length > 0 ? (thinking, "") : ("", text), static a => a.Lead);
        if (kept.Lead is not { } lead)
            return outcome;
        if (thinking.Length > 0 && text.Length > 0)
            kept.Close ??= await WriteAsync(prompt + lead.Text + thinking, ThinkingState.Thinking, ("", text), static a => a.Close);
        return kept.Close is null && thinking.Length > 0 && text.Length > 0 ? outcome : ProbeOutcome.Succeeded;

        async Task<HiddenText?> WriteAsync(string from, ThinkingState state, (string Thinking, string Content) seen, Func<RawAnswer, HiddenText?> find)
        {
            for (var sample = 0; sample < (request.IsDeterministic ? 1 : MaxSamples); sample++)
            {
                var answer = new RawAnswer(new ThinkingParser(tags, state));
                var isSame = false;
                var body = RawRequest.Create(call, request, from, MaxTokens);
                outcome = await questions.ReadRawAsync(instance, body, Read, cancellationToken);
                if (outcome != ProbeOutcome.Succeeded)
                    return null;
                if (isSame && find(answer) is { } hidden)
                    return hidden;

                bool Read(string token)
                {
                    var shown = answer.Add(token);
                    if (shown is ("", ""))
                        return true;
                    isSame = Begins(seen.Thinking, shown.Thinking) && Begins(seen.Content, shown.Content);
                    return false;
                }
            }

            outcome = ProbeOutcome.NotFound;
            return null;
        }
    }

    private static bool Begins(string seen, string shown) =>
        (seen.Length == 0) == (shown.Length == 0)
        && (seen.StartsWith(shown, StringComparison.Ordinal) || shown.StartsWith(seen, StringComparison.Ordinal));
}
