using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace OllamaBridge.Testing.Replay;

/// <summary>Masks all JSON values that may differ: times, ids, digests, generated text and token counts. The order of keys stays.</summary>
internal static partial class JsonShape
{
    private static readonly HashSet<string> Masked =
    [
        "created_at", "completed_at", "modified_at", "expires_at", "created", "id", "digest", "request_id",
        "total_duration", "load_duration", "prompt_eval_duration", "eval_duration",
        "prompt_eval_count", "prompt_tokens", "input_tokens", "total_tokens", "total", "completed",
        "response", "content", "text", "token", "logprob",
    ];

    /// <summary>Arrays with generated elements. Their length depends on the tokenizer.</summary>
    private static readonly HashSet<string> MaskedArrays = ["context", "bytes"];

    /// <param name="json">One object.</param>
    /// <param name="size">Whether sizes may differ: the memory of a loaded model depends on its runner.</param>
    /// <param name="count">Whether the length of the response may differ, because the model ended it.</param>
    public static string Of(string json, bool size, bool count)
    {
        using var document = JsonDocument.Parse(json);
        var text = new StringBuilder();
        Write(text, document.RootElement, "", size, count);
        return text.ToString();
    }

    private static void Write(StringBuilder text, JsonElement value, string name, bool size, bool count)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                text.Append('{');
                foreach (var property in value.EnumerateObject())
                {
                    text.Append(property.Name).Append(':');
                    Write(text, property.Value, property.Name, size, count);
                    text.Append(',');
                }
                text.Append('}');
                break;
            case JsonValueKind.Array when MaskedArrays.Contains(name):
                text.Append("[…]");
                break;
            case JsonValueKind.Array:
                text.Append('[');
                foreach (var item in value.EnumerateArray())
                {
                    Write(text, item, name is "embeddings" or "embedding" or "logprob" ? "logprob" : "", size, count);
                    text.Append(',');
                }
                text.Append(']');
                break;
            case JsonValueKind.String:
                var said = value.GetString()!;
                text.Append('"').Append(Masked.Contains(name) && said.Length > 0 ? "…" : Digits(said)).Append('"');
                break;
            case JsonValueKind.Number:
                var free = Masked.Contains(name) || (size && name is "size" or "size_vram") || (count && name is "eval_count" or "completion_tokens");
                text.Append(free ? "#" : value.GetRawText());
                break;
            default:
                text.Append(value.GetRawText());
                break;
        }
    }

    /// <summary>Masks digests, token counts and resolvers inside texts.</summary>
    public static string Digits(string text) => Resolver().Replace(Counts().Replace(Hex().Replace(text, "HEX"), "#"), "on RESOLVER");

    [GeneratedRegex(@"\b[0-9a-f]{64}\b|(?<=pulling )[0-9a-f]{12}\b")]
    private static partial Regex Hex();

    [GeneratedRegex(@"(?<=request \()\d+|(?<=n_prompt_tokens"":)\d+")]
    private static partial Regex Counts();

    [GeneratedRegex(@"on [\d.]+:53")]
    private static partial Regex Resolver();
}
