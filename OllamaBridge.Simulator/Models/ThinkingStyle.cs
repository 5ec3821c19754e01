namespace OllamaBridge.Simulator;

/// <summary>The form of a model's thinking, and the form in which its template renders that of earlier turns. Their whitespace often differs.</summary>
public sealed record ThinkingStyle
{
    /// <summary>The tag before thinking.</summary>
    public const string OpeningTag = "<think>";

    /// <summary>The tag after thinking.</summary>
    public const string ClosingTag = "</think>";

    /// <summary>The template opens the thinking in the prompt and renders it like DeepSeek-R1's. This is the default.</summary>
    public static readonly ThinkingStyle OpenedByTemplate = new();

    /// <summary>The model writes both tags, and the template renders them without whitespace.</summary>
    public static readonly ThinkingStyle Compact = new() { Opened = "", Lead = "<think>\n", Before = OpeningTag, After = ClosingTag };

    /// <summary>The model writes both tags; template and model agree on the whitespace, as with Qwen3.</summary>
    public static readonly ThinkingStyle WrittenByModel = new() { Opened = "", Lead = "<think>\n" };

    /// <summary>The template has the tags but does not render the thinking of a last message.</summary>
    public static readonly ThinkingStyle NotRendered = new() { Opened = "", Lead = "\n<think>\n\n", Close = "\n\n</think>\n", RendersLast = false };

    /// <summary>
    /// Ollama's parser <c>qwen3-thinking</c> reads the response, not one derived from the template: it drops whitespace before the closing tag.
    /// </summary>
    public static readonly ThinkingStyle BuiltInParser = new() { Parser = "qwen3-thinking", RendersLast = false };

    /// <summary>The text that the template writes after the assistant's marker if the request enables thinking.</summary>
    public string Opened { get; init; } = "<think>\n";

    /// <summary>The text that the model writes before the first word of its thinking.</summary>
    public string Lead { get; init; } = "";

    /// <summary>The text that the model writes between its thinking and its content.</summary>
    public string Close { get; init; } = "\n</think>\n\n";

    /// <summary>The text that the template writes before the thinking of a message.</summary>
    public string Before { get; init; } = "<think>\n";

    /// <summary>The text that the template writes after the thinking of a message.</summary>
    public string After { get; init; } = "\n</think>\n\n";

    /// <summary>Whether the template renders the thinking of the last message.</summary>
    public bool RendersLast { get; init; } = true;

    /// <summary>The built-in parser in <c>/api/show</c>; null for the tags of the template.</summary>
    public string? Parser { get; init; }
}
