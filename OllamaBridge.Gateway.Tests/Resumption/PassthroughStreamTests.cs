using System.Text;
using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Testing.Replay;
using OllamaBridge.Testing.Streams;

namespace OllamaBridge.Gateway.Tests.Resumption;

/// <summary>Recorded streams, split into arbitrary pieces and interrupted at any byte.</summary>
public class PassthroughStreamTests
{
    private const string Line = """{"model":"m","message":{"role":"assistant","content":"Blue"},"done":false}""" + "\n";
    private const string Last = """{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":1}""" + "\n";
    private const string Event = """data: {"id":"c-1","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Blue"},"finish_reason":null}]}""" + "\n\n";
    private const string Reason = """data: {"id":"c-1","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}""" + "\n\n";
    private const string Done = "data: [DONE]\n\n";
    private const string Delta = "event: content_block_delta\n" + """data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Blue"}}""" + "\n\n";
    private const string BlockStop = "event: content_block_stop\n" + """data: {"type":"content_block_stop","index":0}""" + "\n\n";
    private static readonly Config Quick = Config.QuickThrowOnFailure.WithQuietOnSuccess(true);

    public static TheoryData<string, string> Whole() => new()
    {
        { "/api/chat", "02-chat-stream" },
        { "/api/chat", "02-chat-stream-logprobs" },
        { "/api/chat", "02-chat-stream-stop-eos" },
        { "/api/generate", "02-generate-stream" },
        { "/v1/chat/completions", "03-v1-chat-stream" },
        { "/v1/completions", "03-v1-completions-stream" },
        { "/v1/messages", "03-v1-messages-anthropic-stream" },
        { "/api/chat", "06-continue-chat-prefill-stream" },
        { "/api/generate", "07-http10-stream" },
        { "/api/generate", "08-unload-while-generating-stream" },
    };

    public static TheoryData<string, string> Broken() => new()
    {
        { "/api/generate", "08-kill9-server-midstream" },
        { "/v1/chat/completions", "08-kill9-server-v1-sse-midstream" },
        { "/api/generate", "08-sigterm-server-midstream" },
    };

    [Theory]
    [MemberData(nameof(Whole))]
    public void Read_RecordingInAnyPieces_UnchangedAndTextKept(string path, string recording)
    {
        var text = Body(recording);
        var expected = StreamedAnswer.Parse(path, text);
        Prop.ForAll(Gen.Choose(1, 600).ListOf().ToArbitrary(), Gen.Choose(1, 300).ToArbitrary(), (sizes, buffer) =>
        {
            var answer = GatedAnswer.Read(path, Pieces(Encoding.UTF8.GetBytes(text), sizes), buffer: buffer);
            return answer is { IsComplete: true, Interrupted: null } && answer.Sent == text && answer.Text == expected.Text
                && answer.Thinking == expected.Thinking && answer.End.Tokens == expected.Tokens;
        }).Check(Quick);
    }

    [Theory]
    [MemberData(nameof(Whole))]
    [MemberData(nameof(Broken))]
    public void Read_CutAtAnyByte_OnlyCompleteMessages(string path, string recording)
    {
        var text = Body(recording);
        var bytes = Encoding.UTF8.GetBytes(text);
        // Every position near the beginning and the end, and some between.
        var cuts = Enumerable.Range(0, bytes.Length + 1).Where(i => i < 320 || i > bytes.Length - 512 || i % 131 == 0);
        foreach (var cut in cuts)
            foreach (var breaks in new[] { null, new IOException("reset") })
                AssertPrefix(path, text[..Encoding.UTF8.GetCharCount(bytes, 0, cut)], GatedAnswer.Read(path, [bytes[..cut]], breaks), breaks is null);
    }

    [Theory]
    [MemberData(nameof(Broken))]
    public void Read_RecordingOfKilledServer_AllMessagesKept(string path, string recording)
    {
        var text = Body(recording);
        var answer = GatedAnswer.Read(path, text, new IOException("reset"));
        Assert.Equal(text, answer.Sent);
        Assert.Equal(StreamedAnswer.Parse(path, text).Text, answer.Text);
        Assert.Equal(Interruption.Reset, answer.Interrupted);
    }

    [Theory]
    [InlineData("/api/generate", "08-kill9-runner-midstream")]
    [InlineData("/v1/chat/completions", "08-kill9-runner-v1-sse-midstream")]
    public void Read_RecordingOfKilledRunner_ErrorNotPassedOn(string path, string recording)
    {
        var messages = Messages(path, Body(recording));
        var answer = GatedAnswer.Read(path, string.Concat(messages));
        Assert.Equal(string.Concat(messages[..^1]), answer.Sent);
        Assert.Equal(messages[^1].TrimEnd('\n'), answer.Told);
        Assert.Equal(Interruption.ErrorTold, answer.Interrupted);
    }

    [Theory]
    [InlineData("/api/chat", Line, "{\"model\":\"m\",\"mess\n")] // an incomplete line
    [InlineData("/api/chat", Line, Line + "{}{}\n", 1)] // two objects in one line
    [InlineData("/api/chat", Line, "[]\n")]
    [InlineData("/api/chat", Line, "true\n")]
    [InlineData("/api/chat", Line, "<html>\n")]
    [InlineData("/api/chat", Line, """{"message":{"content":"More"},"done_reason":"stop","done":true,}""" + "\n")] // the last message, but malformed
    [InlineData("/api/chat", Line, "{\"message\":{\"content\":\"\\ud800\"}}\n")] // an unpaired surrogate
    [InlineData("/api/chat", Line, "{\"message\":{\"content\":\"\u00ff\u00fe\"}}\n", 0, true)] // invalid UTF-8
    [InlineData("/v1/chat/completions", Event, "data: {\"choices\":[{\"del\n\n")]
    [InlineData("/v1/chat/completions", Event, "data: {}\ndata: {}\n\n")]
    [InlineData("/v1/chat/completions", Event, "{\"choices\":[]}\n\n")] // not an event
    [InlineData("/v1/chat/completions", Event, """data: {"choices":[{"delta":{},"finish_reason":"stop"}]]}""" + "\n\n")]
    [InlineData("/v1/messages", Delta, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\n\n")]
    [InlineData("/v1/messages", Delta, "data: {\"index\":0}\n\n")] // no type
    [InlineData("/v1/messages", Delta, """data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}""" + "\n\n")]
    public void Read_MalformedMessage_NotPassedOn(string path, string sound, string malformed, int more = 0, bool isLatin = false)
    {
        var bytes = (isLatin ? Encoding.Latin1 : Encoding.UTF8).GetBytes(sound + malformed + sound);
        var answer = GatedAnswer.Read(path, [bytes]);
        Assert.Equal(sound + (more == 0 ? "" : sound), answer.Sent);
        Assert.Equal("Blue" + (more == 0 ? "" : "Blue"), answer.Text);
        Assert.Equal(Interruption.Unreadable, answer.Interrupted);
        Assert.Null(answer.End.Reason);
        Assert.False(answer.IsComplete);
    }

    [Theory]
    [InlineData("/api/chat", Line + "\n" + Line + "\r\n" + Last)]
    [InlineData("/v1/chat/completions", ": ping\n\nid: 7\nretry: 10\nevent: chunk\n" + Event + "\n: ping\n\n" + Event + Reason + ": ping\n\n" + Done)]
    [InlineData("/v1/messages", "event: ping\ndata: {\"type\":\"ping\"}\n\n" + Delta + ":\n\n" + Delta + BlockStop + "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")]
    public void Read_BlankLinesAndComments_PassedOnWithoutText(string path, string stream)
    {
        foreach (var text in new[] { stream, stream.Replace("\n", "\r\n", StringComparison.Ordinal).Replace("\r\r", "\r", StringComparison.Ordinal) })
        {
            var answer = GatedAnswer.Read(path, text);
            Assert.Equal(text, answer.Sent);
            Assert.Equal("BlueBlue", answer.Text);
            Assert.Equal(2, answer.Pieces);
            Assert.True(answer.IsComplete);
        }
    }

    [Theory]
    [InlineData("/api/chat", Line, Last)]
    [InlineData("/v1/chat/completions", Event + Reason, Done)]
    [InlineData("/v1/messages", Delta + BlockStop, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")]
    public void Read_LastMessageWithoutNewline_Complete(string path, string sound, string last)
    {
        foreach (var breaks in new[] { null, new IOException("reset") })
        {
            var answer = GatedAnswer.Read(path, sound + last.TrimEnd('\n'), breaks);
            Assert.Equal(sound + last.TrimEnd('\n'), answer.Sent);
            Assert.True(answer.IsComplete);
            Assert.Null(answer.Interrupted);
        }
    }

    [Theory]
    [InlineData("tool_calls", """[{"function":{"name":"f","arguments":{"a":[1]}}}]""", false)]
    [InlineData("tool_calls", "[]", true)]
    [InlineData("tool_calls", "null", true)]
    [InlineData("function_call", """{"name":"f","arguments":"{}"}""", false)]
    [InlineData("audio", """{"data":"AAAA","nested":{"a":1}}""", false)]
    public void Read_UnknownContent_PassedOnAndNotResumable(string name, string value, bool isWhole)
    {
        var chunk = $$$"""data: {"id":"c-1","model":"m","choices":[{"index":0,"delta":{"{{{name}}}":{{{value}}},"content":"Blue"},"finish_reason":null}]}""" + "\n\n";
        var answer = GatedAnswer.Read("/v1/chat/completions", chunk + Event);
        Assert.Equal(chunk + Event, answer.Sent);
        Assert.Equal("BlueBlue", answer.Text);
        Assert.Equal(isWhole, answer.IsWhole);
        Assert.Equal(Interruption.EndedEarly, answer.Interrupted);
    }

    [Fact]
    public void Read_MessagesInOneRead_PassedOnTogether()
    {
        var pieces = new[] { Line + Line + Line[..9], Line[9..] + Line, Last }.Select(Encoding.UTF8.GetBytes);
        Assert.Equal([2 * Line.Length, 2 * Line.Length, Last.Length], GatedAnswer.Read("/api/chat", pieces).Reads);
    }

    [Theory]
    [InlineData("/api/chat", Line)]
    [InlineData("/v1/chat/completions", Event)]
    [InlineData("/v1/messages", Delta)]
    public void Read_EachMessage_NoAllocation(string path, string message)
    {
        const int Messages = 2000;
        var pieces = Enumerable.Repeat(Encoding.UTF8.GetBytes(message), Messages).ToArray();
        long allocated = 0;
        // The first iteration allocates the pooled objects.
        for (var time = 0; time < 2; time++)
            Assert.Equal(Messages, GatedAnswer.Read(path, new PiecesStream(pieces), 4096, 1 << 20, out allocated).Pieces);
        Assert.InRange(allocated, 0, 4 * Messages);
    }

    [Fact]
    public void Read_NullError_NoFailure() =>
        Assert.True(GatedAnswer.Read("/api/chat", Line.Replace("{\"model\"", "{\"error\":null,\"model\"", StringComparison.Ordinal) + Last).IsComplete);

    [Fact]
    public void Read_TextOverLimit_PassedOnAndNotResumable()
    {
        var answer = GatedAnswer.Read("/api/chat", [Encoding.UTF8.GetBytes(Line + Line + Line)], limit: 10);
        Assert.Equal(Line + Line + Line, answer.Sent);
        Assert.Equal("BlueBlue", answer.Text);
        Assert.False(answer.IsWhole);
    }

    [Fact]
    public void Read_OversizedMessage_PassedOnUnparsed()
    {
        var image = $$"""{"model":"m","message":{"content":"","images":["{{new string('A', 5 * 1024 * 1024)}}"]},"done":false}""" + "\n";
        var answer = GatedAnswer.Read("/api/chat", Encoding.UTF8.GetBytes(Line + image + Line + Last).Chunk(50_000));
        Assert.Equal(Line + image + Line + Last, answer.Sent);
        Assert.False(answer.IsWhole);
        Assert.True(answer.IsComplete);
    }

    /// <summary>The expected result for a stream that ends after these messages, determined by text search for the markers.</summary>
    private static void AssertPrefix(string path, string stream, GatedAnswer answer, bool endedCleanly)
    {
        var messages = Messages(path, stream);
        var rest = stream[messages.Sum(m => m.Length)..];
        if (messages.Any(IsEnd) || IsUnendedEnd(path, rest))
        {
            Assert.Equal(messages.Any(IsEnd) ? string.Concat(messages) : stream, answer.Sent);
            Assert.True(answer.IsComplete);
            return;
        }

        if (messages.Any(HasReason))
        {
            Assert.StartsWith(string.Concat(messages), answer.Sent, StringComparison.Ordinal);
            Assert.True(IsEnd(answer.Sent[messages.Sum(m => m.Length)..]));
            Assert.Equal(1, StreamedAnswer.Parse(path, answer.Sent).Ends);
            Assert.True(answer.IsComplete);
            return;
        }

        var sent = string.Concat(messages.Reverse().SkipWhile(m => m.Contains("content_block_stop", StringComparison.Ordinal)).Reverse());
        Assert.Equal(sent, answer.Sent);
        Assert.Equal(sent.Length == 0 ? "" : StreamedAnswer.Parse(path, sent).Text, answer.Text);
        Assert.Equal(endedCleanly ? Interruption.EndedEarly : Interruption.Reset, answer.Interrupted);
        Assert.False(answer.IsComplete);
    }

    private static bool IsEnd(string message) =>
        message.Contains("[DONE]", StringComparison.Ordinal) || message.Contains("\"type\":\"message_stop\"", StringComparison.Ordinal) || message.Contains("\"done\":true", StringComparison.Ordinal);

    private static bool IsUnendedEnd(string path, string rest) =>
        IsEnd(rest) && rest.TrimEnd('\n').EndsWith(path is "/v1/chat/completions" or "/v1/completions" ? ']' : '}');

    private static bool HasReason(string message) =>
        message.Contains("\"finish_reason\":\"", StringComparison.Ordinal) || message.Contains("\"stop_reason\":\"", StringComparison.Ordinal);

    private static string[] Messages(string path, string stream)
    {
        var end = path.StartsWith("/api/", StringComparison.Ordinal) ? "\n" : "\n\n";
        return [.. stream.Split(end)[..^1].Select(m => m + end)];
    }

    private static string Body(string recording) => Recording.Load(recording).Response!.Body.TrimEnd('\n') is var body
        && recording.Contains("v1", StringComparison.Ordinal) ? body + "\n\n" : body + "\n";

    private static IEnumerable<byte[]> Pieces(byte[] bytes, IList<int> sizes)
    {
        var at = 0;
        foreach (var size in sizes.Where(_ => at < bytes.Length))
        {
            yield return bytes[at..Math.Min(bytes.Length, at + size)];
            at += size;
        }

        if (at < bytes.Length)
            yield return bytes[at..];
    }
}
