namespace OllamaBridge.Simulator;

/// <summary>Converts a <see cref="ChatTemplate"/> to a template text and back.</summary>
internal static class TemplateTexts
{
    private const string SystemPart = "{{ if .System }}<|system|>{{ .System }}<|end|>{{ end }}";
    private const string UserBranch = "{{ if eq .Role \"user\" }}<|user|>{{ .Content }}<|end|>";

    private const string Messages = SystemPart + "{{ range .Messages }}" + UserBranch
        + "{{ else if eq .Role \"assistant\" }}<|assistant|>{{ .Content }}<|end|>{{ end }}{{ end }}<|assistant|>";

    private const string Prefill = SystemPart + "{{ range $i, $_ := .Messages }}{{ $last := eq (len (slice $.Messages $i)) 1 }}" + UserBranch
        + "{{ if $last }}<|assistant|>{{ end }}{{ else if eq .Role \"assistant\" }}<|assistant|>{{ .Content }}"
        + "{{ if not $last }}<|end|>{{ end }}{{ end }}{{ end }}";

    private const string Legacy = SystemPart
        + "{{ if .Prompt }}<|user|>{{ .Prompt }}<|end|>{{ end }}<|assistant|>{{ .Response }}<|end|>";

    private const string Bare = "{{ .Prompt }}";

    public static string Of(SimulatedModel model) => model.TemplateText ?? model.Template switch
    {
        ChatTemplate.Prefill => Thinking(model, Prefill),
        ChatTemplate.Legacy => Legacy,
        ChatTemplate.Bare or ChatTemplate.Jinja => Bare,
        _ => Thinking(model, Messages),
    };

    /// <summary>The text with the parts that render thinking; the server derives the tags from them.</summary>
    private static string Thinking(SimulatedModel model, string text)
    {
        var style = model.Thinking;
        if (!model.Can(ModelCapability.Thinking) || style.Parser is not null)
            return text;
        const string Turn = "<|assistant|>{{ .Content }}";
        var condition = style.RendersLast ? ".Thinking" : "and .Thinking (lt $i $lastUser)";
        var thought = "{{ if " + condition + " }}" + style.Before + "{{ .Thinking }}" + style.After + "{{ end }}";
        var opened = style.Opened.Length > 0 ? "{{ if .Think }}" + style.Opened + "{{ end }}" : "";
        return text.Replace(Turn, "<|assistant|>" + thought + "{{ .Content }}", StringComparison.Ordinal) + opened;
    }

    /// <summary>Recognizes a template text by its markers, without running it.</summary>
    public static ChatTemplate Classify(string text) => text switch
    {
        _ when text.Contains(".Messages", StringComparison.Ordinal) =>
            text.Contains("$last", StringComparison.Ordinal) ? ChatTemplate.Prefill : ChatTemplate.Messages,
        _ when text.Contains(".Response", StringComparison.Ordinal) || text.Contains("<|assistant|>", StringComparison.Ordinal) => ChatTemplate.Legacy,
        _ => ChatTemplate.Bare,
    };
}
