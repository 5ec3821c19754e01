using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace OllamaBridge.Testing.Streams;

/// <summary>A streamed response of any protocol, as a client assembles it.</summary>
internal sealed record StreamedAnswer
{
    public string Text { get; private init; } = "";

    public string Thinking { get; private init; } = "";

    public string? Reason { get; private init; }

    public long? PromptTokens { get; private init; }

    public long? Tokens { get; private init; }

    /// <summary>Terminal markers.</summary>
    public int Ends { get; private init; }

    /// <summary>Beginnings: chunks with a role (OpenAI), <c>message_start</c> (Anthropic).</summary>
    public int Beginnings { get; private init; }

    /// <summary>Distinct ids and models.</summary>
    public int Names { get; private init; }

    /// <summary>Blocks opened and closed (Anthropic), in order.</summary>
    public string Blocks { get; private init; } = "";

    public string? Error { get; private init; }

    /// <summary>Reads a response, streamed or not.</summary>
    public static StreamedAnswer Parse(string path, string text, string mediaType) =>
        mediaType is "application/x-ndjson" or "text/event-stream" ? Parse(path, text) : ParseWhole(path, JsonNode.Parse(text)!);

    public static StreamedAnswer ParseWhole(string path, JsonNode json)
    {
        var usage = json["usage"];
        var blocks = json["content"] as JsonArray ?? [];
        return new StreamedAnswer
        {
            Text = (json["message"]?["content"] ?? json["response"] ?? json["choices"]?[0]?["message"]?["content"] ?? json["choices"]?[0]?["text"])?.GetValue<string>()
                ?? string.Concat(blocks.Select(b => b!["text"]?.GetValue<string>())),
            Reason = (json["done_reason"] ?? json["choices"]?[0]?["finish_reason"] ?? json["stop_reason"])?.GetValue<string>(),
            PromptTokens = (json["prompt_eval_count"] ?? usage?["prompt_tokens"] ?? usage?["input_tokens"])?.GetValue<long>(),
            Tokens = (json["eval_count"] ?? usage?["completion_tokens"] ?? usage?["output_tokens"])?.GetValue<long>(),
            Ends = 1,
            Error = json["error"]?.ToJsonString(),
        };
    }

    /// <summary>Reads a stream to its end, and fails the test if a client could not parse it.</summary>
    public static StreamedAnswer Parse(string path, string stream)
    {
        var (text, thinking, blocks) = (new StringBuilder(), new StringBuilder(), new StringBuilder());
        var names = new HashSet<string>();
        string? reason = null, error = null;
        long? prompt = null, tokens = null;
        var (ends, beginnings) = (0, 0);
        foreach (var message in Messages(path, stream))
        {
            if (message == "[DONE]")
            {
                ends++;
                continue;
            }

            Assert.True(ends == 0, $"a message after the end: {message}");
            var json = Parse(message);
            foreach (var name in new[] { json["id"], json["model"] })
                if (name is JsonValue value)
                    names.Add(value.GetValue<string>());
            error ??= json["error"]?.ToJsonString();
            if (path.StartsWith("/api/", StringComparison.Ordinal))
            {
                text.Append((json["message"]?["content"] ?? json["response"])?.GetValue<string>());
                thinking.Append((json["message"]?["thinking"] ?? json["thinking"])?.GetValue<string>());
                if (json["done"]?.GetValue<bool>() != true)
                    continue;
                ends++;
                reason = json["done_reason"]!.GetValue<string>();
                prompt = json["prompt_eval_count"]?.GetValue<long>();
                tokens = json["eval_count"]?.GetValue<long>();
                Assert.True(json["total_duration"]!.GetValue<long>() > 0);
            }
            else if (path == "/v1/messages")
            {
                switch (json["type"]!.GetValue<string>())
                {
                    case "message_start":
                        beginnings++;
                        names.Add(json["message"]!["id"]!.GetValue<string>());
                        break;
                    case "content_block_start":
                        blocks.Append('<').Append(json["index"]).Append(json["content_block"]!["type"]);
                        break;
                    case "content_block_delta":
                        text.Append(json["delta"]!["text"]?.GetValue<string>());
                        thinking.Append(json["delta"]!["thinking"]?.GetValue<string>());
                        break;
                    case "content_block_stop":
                        blocks.Append(json["index"]).Append('>');
                        break;
                    case "message_delta":
                        reason = json["delta"]!["stop_reason"]!.GetValue<string>();
                        prompt = json["usage"]!["input_tokens"]!.GetValue<long>();
                        tokens = json["usage"]!["output_tokens"]!.GetValue<long>();
                        break;
                    case "message_stop":
                        ends++;
                        break;
                }
            }
            else
            {
                if (json["usage"] is JsonObject usage)
                {
                    prompt = usage["prompt_tokens"]!.GetValue<long>();
                    tokens = usage["completion_tokens"]!.GetValue<long>();
                    Assert.Equal(prompt + tokens, usage["total_tokens"]!.GetValue<long>());
                }

                if (json["choices"] is not JsonArray { Count: 1 } choices)
                    continue;
                var choice = choices[0]!;
                if (choice["delta"]?["role"] is not null)
                    beginnings++;
                text.Append((choice["delta"]?["content"] ?? choice["text"])?.GetValue<string>());
                thinking.Append(choice["delta"]?["reasoning"]?.GetValue<string>());
                if (choice["finish_reason"] is JsonValue finish)
                    reason = finish.GetValue<string>();
            }
        }

        return new StreamedAnswer
        {
            Text = text.ToString(),
            Thinking = thinking.ToString(),
            Reason = reason,
            PromptTokens = prompt,
            Tokens = tokens,
            Ends = ends,
            Beginnings = beginnings,
            Names = names.Count,
            Blocks = blocks.ToString(),
            Error = error,
        };
    }

    private static IEnumerable<string> Messages(string path, string stream)
    {
        Assert.EndsWith("\n", stream, StringComparison.Ordinal);
        if (path.StartsWith("/api/", StringComparison.Ordinal))
            return stream.TrimEnd('\n').Split('\n');
        Assert.EndsWith("\n\n", stream, StringComparison.Ordinal);
        return stream.Split("\n\n", StringSplitOptions.RemoveEmptyEntries)
            .Select(e => e.Split('\n').SingleOrDefault(l => l.StartsWith("data: ", StringComparison.Ordinal)))
            .OfType<string>().Select(l => l["data: ".Length..]);
    }

    private static JsonNode Parse(string message)
    {
        try
        {
            return JsonNode.Parse(message)!;
        }
        catch (JsonException)
        {
            throw new Xunit.Sdk.XunitException($"not JSON: {message}");
        }
    }
}
