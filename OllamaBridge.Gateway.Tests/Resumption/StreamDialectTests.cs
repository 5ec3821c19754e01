using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Testing.Streams;

namespace OllamaBridge.Gateway.Tests.Resumption;

/// <summary>Stream formats of various servers are passed on unchanged, parsed, and not considered complete if they are cut.</summary>
public class StreamDialectTests
{
    private static readonly string[] Words = ["Alpha", " béta", " 漢字", "."];
    private static readonly Config Quick = Config.QuickThrowOnFailure.WithQuietOnSuccess(true);

    public static TheoryData<string, string> Chats()
    {
        var data = new TheoryData<string, string>();
        foreach (var (name, text) in Dialects())
            data.Add(name, text);
        return data;
    }

    [Theory]
    [MemberData(nameof(Chats))]
    public void Read_Dialect_UnchangedAndComplete(string name, string stream)
    {
        Assert.NotEmpty(name);
        var bytes = Encoding.UTF8.GetBytes(stream);
        foreach (var size in (int[])[1, 2, 3, 7, 64, bytes.Length])
        {
            var answer = GatedAnswer.Read("/v1/chat/completions", bytes.Chunk(size));
            Assert.Equal(stream, answer.Sent);
            Assert.Equal(string.Concat(Words), answer.Text);
            Assert.True(answer.IsComplete);
            Assert.Null(answer.Interrupted);
            Assert.Equal((true, false), Watch(StreamEnd.DoneMarker, bytes.Chunk(size)));
        }
    }

    [Theory]
    [MemberData(nameof(Chats))]
    public void Read_DialectCutBeforeLastMessage_Incomplete(string name, string stream)
    {
        Assert.NotEmpty(name);
        var cut = stream[..stream.IndexOf("\".\"", StringComparison.Ordinal)];
        var answer = GatedAnswer.Read("/v1/chat/completions", cut);
        Assert.False(answer.IsComplete);
        Assert.Equal(Interruption.EndedEarly, answer.Interrupted);
        Assert.DoesNotContain("[DONE]", answer.Sent, StringComparison.Ordinal);
        Assert.StartsWith(answer.Sent, cut, StringComparison.Ordinal);
        Assert.Equal(string.Concat(Words[..^1]), answer.Text);
        Assert.Equal((false, false), Watch(StreamEnd.DoneMarker, [Encoding.UTF8.GetBytes(cut)]));
    }

    [Theory]
    [InlineData("\"\"")]
    [InlineData("\"null\"")]
    [InlineData("null")]
    [InlineData("\"stop\"")]
    public void Read_ReasonInEveryChunk_DelayedByOneChunkAtMost(string reason)
    {
        var pieces = Words.Select(w => Chunk(w).Replace("\"finish_reason\":null", $"\"finish_reason\":{reason}", StringComparison.Ordinal) + "\n\n")
            .Append("data: [DONE]\n\n").Select(Encoding.UTF8.GetBytes).ToArray();
        var reads = GatedAnswer.Read("/v1/chat/completions", pieces).Reads;
        // A finish reason is held until the next chunk shows that it was not the last one; then no chunk is held any more.
        Assert.Equal(reason == "\"stop\"" ? [pieces[0].Length + pieces[1].Length, .. pieces[2..].Select(p => p.Length)] : pieces.Select(p => p.Length), reads);
    }

    [Fact]
    public void Read_OneOfTwoChoicesEnded_Incomplete()
    {
        string Choice(int index, string word, string reason) => $$$"""data: {"id":"c","model":"m","choices":[{"index":{{{index}}},"delta":{"content":"{{{word}}}"},"finish_reason":{{{reason}}}}]}""" + "\n\n";
        var begun = Choice(0, "a", "null") + Choice(1, "b", "null") + Choice(0, "", "\"stop\"");
        Assert.Equal(Interruption.EndedEarly, GatedAnswer.Read("/v1/chat/completions", begun).Interrupted);
        Assert.True(GatedAnswer.Read("/v1/chat/completions", begun + Choice(1, "", "\"stop\"")).IsComplete);
    }

    public static TheoryData<string> NativeLines() =>
    [
        """{"model":"m","message":{"role":"assistant","content":"W"},"done":false}""",
        """{"model": "m", "message": {"role": "assistant", "content": "W"}, "done": false}""",
        """{"done":false,"model":"m","message":{"role":"assistant","content":"W"}}""",
        """{"model":"m","message":{"role":"assistant","content":"W"},"done":false,"done_reason":""}""",
        """{"model":"m","message":{"role":"assistant","content":"W"},"done":false,"done_reason":"null"}""",
        """{"model":"m","message":{"role":"assistant","content":"W"},"done":false,"done_reason":"stop"}""",
        """{"error":null,"model":"m","message":{"role":"assistant","content":"W"},"done":false}""",
        """{"error":"","model":"m","message":{"role":"assistant","content":"W"},"done":false}""",
        """{"error":{},"model":"m","message":{"role":"assistant","content":"W"},"done":false}""",
        """{"model":"m","message":{"role":"assistant","content":"W"},"done":false,"note":"\"done\":true"}""",
        """{"model":"m","message":{"role":"assistant","content":"W"},"note":{"done":true,"error":"x"}}""",
    ];

    [Theory]
    [MemberData(nameof(NativeLines))]
    public void Read_NativeDialect_UnchangedAndCompleteOnlyWithEnd(string line)
    {
        var last = line.Replace("\"W\"", "\"\"", StringComparison.Ordinal).Replace("\"done\":false", "\"done\":true", StringComparison.Ordinal)
            .Replace("\"done\": false", "\"done\": true", StringComparison.Ordinal).Replace("{\"done\":true,\"error\":\"x\"}},", "1},", StringComparison.Ordinal);
        if (!last.Contains("\"done\":true", StringComparison.Ordinal) && !last.Contains("\"done\": true", StringComparison.Ordinal) || last.Contains("\"note\":{", StringComparison.Ordinal))
            last = """{"model":"m","done":true}""";
        foreach (var ending in (string[])["\n", "\r\n", "\n\n"])
            foreach (var start in (string[])["", "\uFEFF", "\n"])
            {
                var begun = start + line + ending + line + ending;
                Assert.Equal(Interruption.EndedEarly, GatedAnswer.Read("/api/chat", begun).Interrupted);
                Assert.Equal((false, false), Watch(StreamEnd.Done, [Encoding.UTF8.GetBytes(begun)]));
                foreach (var end in (string[])[ending, ""])
                    foreach (var size in (int[])[1, 5, 4096])
                    {
                        var bytes = Encoding.UTF8.GetBytes(begun + last + end);
                        var answer = GatedAnswer.Read("/api/chat", bytes.Chunk(size));
                        Assert.Equal((begun + last + end, "WW", true), (answer.Sent, answer.Text, answer.IsComplete));
                        Assert.Equal((true, false), Watch(StreamEnd.Done, bytes.Chunk(size)));
                    }
            }
    }

    [Theory]
    [InlineData("/api/generate", """{"model":"m","response":"","done":true,"done_reason":"stop","eval_count":3,"image":"IMAGE"}""", "\n")]
    [InlineData("/api/chat", """{"model":"m","message":{"content":"","images":["IMAGE"]},"done":true}""", "\n")]
    [InlineData("/api/chat", """{"done":true,"message":{"content":"IMAGE"}}""", "")]
    public void Read_EndInHugeLine_Complete(string path, string line, string ending)
    {
        var bytes = Encoding.UTF8.GetBytes(line.Replace("IMAGE", new string('A', 9 * 1024 * 1024), StringComparison.Ordinal) + ending);
        var answer = GatedAnswer.Read(path, bytes.Chunk(100_000));
        Assert.Equal(bytes.Length, answer.Sent.Length);
        Assert.True(answer.IsComplete);
        Assert.False(answer.IsWhole);
        Assert.Equal((true, false), Watch(StreamEnd.Done, bytes.Chunk(100_000)));
        Assert.False(GatedAnswer.Read(path, bytes[..^10].Chunk(100_000)).IsComplete);
    }

    [Fact]
    public void Read_HugeEvent_PassedOnAndRestParsed()
    {
        var image = Chunk(new string('A', 9 * 1024 * 1024)) + "\r\n\r\n";
        var stream = image + Standard();
        var answer = GatedAnswer.Read("/v1/chat/completions", Encoding.UTF8.GetBytes(stream).Chunk(100_000));
        Assert.Equal(stream, answer.Sent);
        Assert.True(answer.IsComplete);
        Assert.False(answer.IsWhole);
    }

    [Fact]
    public void Read_MessagesWithoutTypes_EventNamesUsed()
    {
        const string Stream = "event: message_start\ndata: {\"message\":{\"id\":\"x\"}}\n\nevent: content_block_start\ndata: {\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
            + "event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\nevent: content_block_stop\ndata: {\"index\":0}\n\nevent: message_stop\ndata: {}\n\n";
        var answer = GatedAnswer.Read("/v1/messages", Stream);
        Assert.Equal((Stream, "Hi", true), (answer.Sent, answer.Text, answer.IsComplete));
    }

    [Fact]
    public void Read_RandomlyMixedDialect_UnchangedAndComplete()
    {
        var ending = Gen.Elements("\n", "\r\n", "\r");
        var before = Gen.Elements("", ": ping\n", ":\r", "id: 1\n", "retry: 5\r\n", "event: message\n", "x: y\n", "\n\n", ": a\n\n");
        var blank = Gen.Elements("data: ", "data:");
        var message = Gen.Zip(Gen.Zip(before, blank), ending).ListOf();
        Prop.ForAll(message.ToArbitrary(), Gen.Choose(1, 50).ToArbitrary(), (styles, size) =>
        {
            var text = new StringBuilder();
            var said = new StringBuilder();
            foreach (var ((start, field), end) in styles)
            {
                text.Append(start).Append(field).Append(Chunk(" w")["data: ".Length..]).Append(end).Append(end);
                said.Append(" w");
            }

            text.Append("data: [DONE]\n\n");
            var answer = GatedAnswer.Read("/v1/chat/completions", Encoding.UTF8.GetBytes(text.ToString()).Chunk(size));
            return answer.Sent == text.ToString() && answer.Text == said.ToString() && answer.IsComplete;
        }).Check(Quick);
    }

    private static IEnumerable<(string Name, string Text)> Dialects()
    {
        var standard = Standard();
        yield return ("plain", standard);
        yield return ("CRLF", standard.Replace("\n", "\r\n", StringComparison.Ordinal));
        yield return ("CR", standard.Replace("\n", "\r", StringComparison.Ordinal));
        yield return ("no blank", standard.Replace("data: ", "data:", StringComparison.Ordinal));
        yield return ("comments", ": ping\n\n" + standard.Replace("\n\n", "\n\n: keep-alive\n\n", StringComparison.Ordinal));
        yield return ("comment in event", standard.Replace("data: ", ": x\ndata: ", StringComparison.Ordinal));
        yield return ("event lines", standard.Replace("data: ", "event: message\ndata: ", StringComparison.Ordinal));
        yield return ("id and retry", standard.Replace("data: ", "id: 7\nretry: 100\ndata: ", StringComparison.Ordinal));
        yield return ("unknown fields", standard.Replace("data: ", "foo: bar\nbaz\ndata: ", StringComparison.Ordinal));
        yield return ("empty data", "data:\n\n" + standard.Replace("\n\n", "\n\ndata\n\n", StringComparison.Ordinal));
        yield return ("two lines", standard.Replace(",\"choices\"", ",\ndata: \"choices\"", StringComparison.Ordinal));
        yield return ("byte order mark", "\uFEFF" + standard);
        yield return ("blank lines first", "\n\n\n" + standard);
        yield return ("trailing blanks", standard.Replace("}\n", "} \n", StringComparison.Ordinal).Replace("[DONE]", "[DONE] ", StringComparison.Ordinal));
        yield return ("Azure's first chunk", """data: {"id":"","model":"","choices":[],"prompt_filter_results":[{"prompt_index":0}]}""" + "\n\n" + standard);
        yield return ("nameless first chunk", """data: {"id":"c","model":"","choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}""" + "\n\n" + standard);
        yield return ("empty model", """data: {"id":"c","model":"","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}""" + "\n\n" + standard.Replace("\"model\":\"m\"", "\"model\":\"\"", StringComparison.Ordinal));
        yield return ("no model", standard.Replace("\"model\":\"m\",", "", StringComparison.Ordinal));
        yield return ("model null", standard.Replace("\"model\":\"m\"", "\"model\":null", StringComparison.Ordinal));
        yield return ("no blank line at the end", standard[..^2]);
        yield return ("usage everywhere", standard.Replace("\"model\":\"m\"", "\"model\":\"m\",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}", StringComparison.Ordinal));
        yield return ("usage null", standard.Replace("\"model\":\"m\"", "\"model\":\"m\",\"usage\":null", StringComparison.Ordinal));
        yield return ("error null", standard.Replace("\"model\":\"m\"", "\"model\":\"m\",\"error\":null", StringComparison.Ordinal));
        yield return ("error empty", standard.Replace("\"model\":\"m\"", "\"error\":\"\",\"model\":\"m\"", StringComparison.Ordinal));
        yield return ("nameless usage chunk", standard.Replace("data: [DONE]", """data: {"id":"","model":"","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}""" + "\n\ndata: [DONE]", StringComparison.Ordinal));
        yield return ("no reason", string.Concat(Words.Select(w => Chunk(w).Replace(",\"finish_reason\":null", "", StringComparison.Ordinal) + "\n\n")) + "data: [DONE]\n\n");
        yield return ("reason with the last word", string.Concat(Words.Select(w => (w == "." ? Chunk(w).Replace("\"finish_reason\":null", "\"finish_reason\":\"stop\"", StringComparison.Ordinal) : Chunk(w)) + "\n\n")) + "data: [DONE]\n\n");
        yield return ("reason empty", standard.Replace("\"finish_reason\":null", "\"finish_reason\":\"\"", StringComparison.Ordinal));
        yield return ("reason \"null\"", standard.Replace("\"finish_reason\":null", "\"finish_reason\":\"null\"", StringComparison.Ordinal));
        yield return ("reason in every chunk", standard.Replace("\"finish_reason\":null", "\"finish_reason\":\"stop\"", StringComparison.Ordinal));
    }

    private static string Standard() =>
        string.Concat(Words.Select(w => Chunk(w) + "\n\n")) + """data: {"id":"c","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}""" + "\n\ndata: [DONE]\n\n";

    private static string Chunk(string word) =>
        $$"""data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":{{JsonSerializer.Serialize(word)}}},"finish_reason":null}]}""";

    private static (bool, bool) Watch(StreamEnd end, IEnumerable<byte[]> pieces)
    {
        using var watcher = StreamWatcher.For(end);
        foreach (var piece in pieces)
            watcher.Observe(piece);
        watcher.Finish();
        return (watcher.IsComplete, watcher.HasError);
    }
}
