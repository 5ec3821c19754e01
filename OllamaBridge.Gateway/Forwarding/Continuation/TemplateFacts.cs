using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>How a model's server treats an answer that is to be resumed.</summary>
/// <param name="LeavesOpen">Whether the template leaves a last message of the assistant open and unchanged: then the server continues it.</param>
/// <param name="Thinks">Whether the model can think.</param>
/// <param name="Tags">The tags by which the server separates thinking from content; null if it does so in another way, or not at all.</param>
/// <param name="AddsStart">Whether the server puts the start of a text before every prompt by itself.</param>
internal sealed record TemplateFacts(bool LeavesOpen, bool Thinks, ThinkingTags? Tags, bool AddsStart)
{
    /// <summary>Tokens that an answer may have if the request does not say (<c>PARAMETER num_predict</c>); null for no limit.</summary>
    public long? Limit { get; private init; }

    /// <summary>Texts that end an answer (<c>PARAMETER stop</c>).</summary>
    public IReadOnlyList<string> Stops { get; private init; } = [];

    /// <summary>A text with whitespace at places that templates often trim.</summary>
    public const string Words = " the words,  so far \n";

    // Starts of texts as renderers write them; a server that adds one by itself must not get it twice.
    private static readonly string[] Starts = ["<|begin_of_text|>", "<s>", "<bos>", "<｜begin▁of▁sentence｜>", "<|startoftext|>", "<|endoftext|>", "[gMASK]<sop>"];

    /// <summary>Whether a model can think, as its description says.</summary>
    /// <param name="model">The answer of <c>/api/show</c>.</param>
    public static bool CanThink(JsonObject model) =>
        model["capabilities"] is JsonArray capabilities && capabilities.Any(c => c is JsonValue v && v.TryGetValue(out string? name) && name == "thinking");

    /// <summary>Concludes from rendered prompts. Pure.</summary>
    /// <param name="open">A question alone.</param>
    /// <param name="withWords">The same, and <see cref="Words"/> of the assistant; null if it was not rendered.</param>
    /// <param name="model">The answer of <c>/api/show</c>.</param>
    public static TemplateFacts From(string open, string? withWords, JsonObject model)
    {
        var hasParser = Text(model["parser"]) is { Length: > 0 };
        var addsStart = model["model_info"]?["tokenizer.ggml.add_bos_token"] is JsonValue adds && adds.TryGetValue(out bool value) && value;
        return new TemplateFacts(withWords == open + Words, CanThink(model), hasParser ? null : TemplateTags.Find(Text(model["template"]) ?? ""), addsStart)
        {
            Limit = Parameters(model, "num_predict").Select(static p => long.TryParse(p, out var limit) && limit > 0 ? limit : (long?)null).FirstOrDefault(),
            // A string is written as Go does, which is JSON but for rare escapes.
            Stops = [.. Parameters(model, "stop").Select(static p => p.Trim('"'))],
        };
    }

    /// <summary>The values of a parameter of the model: a line for each, with its name first.</summary>
    private static IEnumerable<string> Parameters(JsonObject model, string name)
    {
        foreach (var line in (Text(model["parameters"]) ?? "").Split('\n'))
            if (line.StartsWith(name + " ", StringComparison.Ordinal))
                yield return line[name.Length..].Trim();
    }

    /// <summary>Whether clients may be shown less than the model writes: tags of thinking, and the whitespace around them.</summary>
    /// <param name="think">The request's wish; null for the model's default, which is to think.</param>
    public bool Hides(JsonNode? think) => Thinks && !(think is JsonValue wish && wish.TryGetValue(out bool wants) && !wants);

    /// <summary>A rendered prompt as a raw request takes it.</summary>
    public string ToRaw(string rendered)
    {
        if (AddsStart)
            foreach (var start in Starts)
                if (rendered.StartsWith(start, StringComparison.Ordinal))
                    return rendered[start.Length..];
        return rendered;
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;
}
