using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Resumption;

/// <param name="LeavesOpen">The template leaves a last message of the assistant open and unchanged, so that the server continues it.</param>
/// <param name="Tags">Null if the server separates thinking from content in another way, or not at all.</param>
/// <param name="AddsStart">The server adds the start of a text before every prompt.</param>
internal sealed record TemplateFacts(bool LeavesOpen, bool Thinks, ThinkingTags? Tags, bool AddsStart)
{
    /// <summary>The most tokens if the request has no limit (<c>PARAMETER num_predict</c>); null for no limit.</summary>
    public long? Limit { get; private init; }

    public IReadOnlyList<string> Stops { get; private init; } = [];

    /// <summary>A text with whitespace in places that templates often trim.</summary>
    public const string Words = " the words,  so far \n";

    // Starts of texts that renderers write. A server that adds one itself must not get a second one.
    private static readonly string[] Starts = ["<|begin_of_text|>", "<s>", "<bos>", "<｜begin▁of▁sentence｜>", "<|startoftext|>", "<|endoftext|>", "[gMASK]<sop>"];

    public static bool CanThink(JsonObject model) =>
        model["capabilities"] is JsonArray capabilities && capabilities.Any(c => c is JsonValue v && v.TryGetValue(out string? name) && name == "thinking");

    /// <param name="open">The rendered prompt with a question only.</param>
    /// <param name="withWords">The same with <see cref="Words"/> as the assistant's message; null if it was not rendered.</param>
    public static TemplateFacts From(string open, string? withWords, JsonObject model)
    {
        var hasParser = Text(model["parser"]) is { Length: > 0 };
        var addsStart = model["model_info"]?["tokenizer.ggml.add_bos_token"] is JsonValue adds && adds.TryGetValue(out bool value) && value;
        return new TemplateFacts(withWords == open + Words, CanThink(model), hasParser ? null : TemplateTags.Find(Text(model["template"]) ?? ""), addsStart)
        {
            Limit = Parameters(model, "num_predict").Select(static p => long.TryParse(p, out var limit) && limit > 0 ? limit : (long?)null).FirstOrDefault(),
            // Strings are quoted as in Go, which is JSON except for rare escapes.
            Stops = [.. Parameters(model, "stop").Select(static p => p.Trim('"'))],
        };
    }

    private static IEnumerable<string> Parameters(JsonObject model, string name)
    {
        foreach (var line in (Text(model["parameters"]) ?? "").Split('\n'))
            if (line.StartsWith(name + " ", StringComparison.Ordinal))
                yield return line[name.Length..].Trim();
    }

    /// <summary>Whether the model may write more than clients receive. <paramref name="think"/> is null for the default, which is to think.</summary>
    public bool Hides(JsonNode? think) => Thinks && !(think is JsonValue wish && wish.TryGetValue(out bool wants) && !wants);

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
