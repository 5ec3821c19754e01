using System.Text.Json.Nodes;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>How a model's template treats an answer that is to be gone on with.</summary>
/// <param name="LeavesOpen">Whether a last message of the assistant stays open, to the letter: then it is simply gone on with.</param>
/// <param name="Thinks">Whether the model can think.</param>
/// <param name="ThoughtOpen">What stands between a rendered prompt and thinking; null where thinking cannot be gone on with.</param>
/// <param name="ThoughtClose">What stands between thinking and words; null likewise.</param>
/// <param name="AddsStart">Whether the server puts the start of a text before every prompt by itself.</param>
internal sealed record TemplateFacts(bool LeavesOpen, bool Thinks, string? ThoughtOpen, string? ThoughtClose, bool AddsStart)
{
    /// <summary>A text with blanks where templates like to cut them.</summary>
    public const string Words = " the words,  so far \n";

    /// <summary>Texts that no template has.</summary>
    public const string Thought = "BRIDGE-THOUGHT";

    /// <summary>The same.</summary>
    public const string Said = "BRIDGE-WORDS";

    private const string ThinkTag = "<think>";
    private const string DefaultClose = "\n</think>\n\n";

    // Starts of texts as renderers write them; a server that adds one by itself must not get it twice.
    private static readonly string[] Starts = ["<|begin_of_text|>", "<s>", "<bos>", "<｜begin▁of▁sentence｜>", "<|startoftext|>", "<|endoftext|>", "[gMASK]<sop>"];

    /// <summary>Concludes from what was rendered. Pure.</summary>
    /// <param name="open">A question alone.</param>
    /// <param name="withWords">The same, and <see cref="Words"/> of the assistant.</param>
    /// <param name="withThought">The same, and <see cref="Thought"/> and <see cref="Said"/>; null where it was not to be had.</param>
    /// <param name="model">What <c>/api/show</c> says; null where it was not to be had.</param>
    public static TemplateFacts From(string open, string? withWords, string? withThought, JsonObject? model)
    {
        var thinks = model?["capabilities"] is JsonArray capabilities && capabilities.Any(c => c is JsonValue v && v.TryGetValue(out string? name) && name == "thinking");
        var (thoughtOpen, thoughtClose) = Marks(open, withThought, thinks && (string?)(model?["template"] as JsonValue) is { } template && template.Contains(ThinkTag, StringComparison.Ordinal));
        var addsStart = model?["model_info"]?["tokenizer.ggml.add_bos_token"] is JsonValue adds && adds.TryGetValue(out bool value) && value;
        return new TemplateFacts(withWords == open + Words, thinks, thoughtOpen, thoughtClose, addsStart);
    }

    /// <summary>A rendered prompt as a raw request takes it.</summary>
    public string ToRaw(string rendered)
    {
        if (AddsStart)
            foreach (var start in Starts)
                if (rendered.StartsWith(start, StringComparison.Ordinal))
                    return rendered[start.Length..];
        return rendered;
    }

    private static (string? Open, string? Close) Marks(string open, string? withThought, bool hasTag)
    {
        if (withThought is not null && withThought.StartsWith(open, StringComparison.Ordinal))
        {
            var tail = withThought.AsSpan(open.Length);
            var thought = tail.IndexOf(Thought);
            var said = tail.IndexOf(Said);
            if (thought >= 0 && said > thought + Thought.Length)
                return (tail[..thought].ToString(), tail[(thought + Thought.Length)..said].ToString());
        }

        // Templates that leave earlier thinking out: the tag is what the models were trained on.
        if (open.AsSpan().TrimEnd().EndsWith(ThinkTag))
            return ("", DefaultClose);
        return hasTag ? (ThinkTag + "\n", DefaultClose) : (null, null);
    }
}
