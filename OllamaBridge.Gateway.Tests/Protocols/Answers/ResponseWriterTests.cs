using System.Buffers;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;
using OllamaBridge.Testing.Streams;

namespace OllamaBridge.Gateway.Tests.Protocols.Answers;

/// <summary>The bridge's own messages are readable for clients and for the bridge's readers.</summary>
public class ResponseWriterTests
{
    private const string Ollama = """{"id":"c-1","created":5,"model":"m","system_fingerprint":"fp_ollama"}""";
    private static readonly Gen<string> Words = ArbMap.Default.GeneratorFor<NonNull<string>>()
        .Select(s => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(s.Get)))
        .Where(s => s.Length > 0);

    public static TheoryData<string> Paths() => new("/api/chat", "/api/generate", "/v1/chat/completions", "/v1/completions", "/v1/messages");

    [Theory]
    [MemberData(nameof(Paths))]
    public void Write_AnyText_RoundTrips(string path) => Prop.ForAll(
        Words.ListOf().ToArbitrary(), Words.NonEmptyListOf().ToArbitrary(), Gen.Choose(0, 1000).ToArbitrary(), (thoughts, words, prompt) =>
        {
            // Completions have no field for thinking.
            var thinking = path == "/v1/completions" ? [] : thoughts;
            var stream = Write(path, thinking, words, "length", prompt);
            var client = StreamedAnswer.Parse(path, stream);
            Assert.Equal(string.Concat(thinking), client.Thinking);
            Assert.Equal(string.Concat(words), client.Text);
            Assert.Equal(1, client.Ends);
            Assert.Equal(path == "/v1/messages" ? "max_tokens" : "length", client.Reason);
            Assert.Equal((prompt, thinking.Count + words.Count), (client.PromptTokens, client.Tokens));
            if (path == "/v1/messages")
                Assert.Equal(thinking.Count > 0 ? "<0thinking0><1text1>" : "<0text0>", client.Blocks);

            var bridge = GatedAnswer.Read(path, stream);
            Assert.Equal(stream, bridge.Sent);
            Assert.True(bridge.IsComplete);
            Assert.Equal((client.Text, client.Thinking), (bridge.Text, bridge.Thinking));
            Assert.Equal(thinking.Count + words.Count, bridge.Pieces);
            Assert.Equal((client.PromptTokens, client.Tokens, client.Reason), (bridge.End.PromptTokens, bridge.End.Tokens, bridge.End.Reason));
        }).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true));

    [Theory]
    [MemberData(nameof(Paths))]
    public void Write_OllamaStopReasons_ProtocolsStopReason(string path)
    {
        foreach (var reason in new[] { null, "stop", "load", "unload" })
        {
            var answer = StreamedAnswer.Parse(path, Write(path, [], ["Blue"], reason, 1));
            Assert.Equal(path == "/v1/messages" ? "end_turn" : path.StartsWith("/api/", StringComparison.Ordinal) ? reason ?? "stop" : "stop", answer.Reason);
        }
    }

    [Fact]
    public void Write_ChunksOfOtherServer_ThinkingInItsField()
    {
        var stream = Write("/v1/chat/completions", ["Why?"], ["Blue"], "stop", 1, """{"id":"c-1","created":5,"model":"m"}""");
        Assert.Contains("\"reasoning_content\":\"Why?\"", stream, StringComparison.Ordinal);
        Assert.DoesNotContain("system_fingerprint", stream, StringComparison.Ordinal);
        Assert.Equal("Why?", GatedAnswer.Read("/v1/chat/completions", stream).Thinking);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[1]")]
    [InlineData("""{"id":7,"created":"yesterday","model":null,"system_fingerprint":3}""")]
    public void Write_FirstMessageLacksFields_StillReadable(string first)
    {
        foreach (var path in new[] { "/api/chat", "/v1/chat/completions", "/v1/completions", "/v1/messages" })
            Assert.Equal("Blue", GatedAnswer.Read(path, Write(path, [], ["Blue"], "stop", 1, first)).Text);
    }

    /// <summary>A stream that the bridge writes from its own pieces of text.</summary>
    private static string Write(string path, IEnumerable<string> thoughts, IEnumerable<string> words, string? reason, int prompt, string first = Ollama)
    {
        var context = new ResponseContext(OperationTable.Find(path, out _)!, Model: null, StartedAt: 0, SentAt: 0, WantsUsage: true);
        using var kept = new ResponseTranscript(1 << 20);
        kept.KeepFirst(Encoding.UTF8.GetBytes(first));
        var all = thoughts.Select(t => (t, "")).Concat(words.Select(w => ("", w))).ToList();
        using var writer = ResponseWriter.For(context, kept, new FakeTimeProvider());
        var output = new ArrayBufferWriter<byte>();
        foreach (var (thinking, text) in all)
            writer.WriteWords(Encoding.UTF8.GetBytes(thinking), Encoding.UTF8.GetBytes(text), output);
        kept.End = new ResponseEnd { Reason = reason, PromptTokens = prompt, Tokens = all.Count };
        writer.WriteEnd(output);
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }
}
