using System.Buffers;
using System.Text;
using System.Text.Json;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Tests.Protocols;

public class EscapedTextTests
{
    [Theory]
    [InlineData("\"m\"", "m")]
    [InlineData("\"\"", "")]
    [InlineData("\"\\u006d\\n\\t\\\"\\\\\\/\\b\\f\\r\"", "m\n\t\"\\/\b\f\r")]
    [InlineData("\"\\ud83d\\ude00x\"", "😀x")]
    [InlineData("\"\\ud83d\"", "\uFFFD")]
    [InlineData("\"a\\ud83d b\\ude00\"", "a\uFFFD b\uFFFD")]
    [InlineData("\"\\ud83d\\ud83d\\ude00\"", "\uFFFD😀")]
    [InlineData("\"漢\\u5b57\"", "漢字")]
    [InlineData("null", null)]
    public void Read_AnyEscapes_AsGoReadsThem(string json, string? expected)
    {
        var bytes = Encoding.UTF8.GetBytes(json);
        var reader = new Utf8JsonReader(bytes);
        reader.Read();
        Assert.Equal(expected, EscapedText.Read(ref reader));
    }

    // The bodies of two suites: a key, a role, a text, a model.
    [Theory]
    [InlineData("""{"model":"m","\ud83d":1,"messages":[]}""", "m")]
    [InlineData("""{"model":"m","messages":[{"role":"\ud83d","content":"x"}]}""", "m")]
    [InlineData("""{"model":"m","messages":[{"\ude00":"user","role":"user","content":"\ud83d"}]}""", "m")]
    [InlineData("""{"model":"m\ud83d"}""", "m\uFFFD")]
    [InlineData("""{"\u006dodel":"m"}""", "m")]
    [InlineData("""{"MOD\u0045L":"m"}""", "m")]
    [InlineData("""{"model":"m","options":{"\ud83d":1,"num_predict":5}}""", "m")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":[{"type":"\ud83d","image_url":{}}]}]}""", "m")]
    [InlineData("""{"model":"m","name":5,"source":[1]}""", "m")]
    public void Inspect_LoneSurrogatesAndForeignFields_PassedOn(string body, string model)
    {
        foreach (var bytes in new[] { new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(body)), Pieces(body) })
        {
            var facts = RequestInspector.Inspect(bytes, OperationTable.Find("/api/chat", out _)!);
            Assert.Null(facts.Fault);
            Assert.Equal(model, facts.Model);
        }
    }

    [Fact]
    public void Inspect_EscapedUserRole_IsTheUser() => Assert.True(RequestInspector.Inspect(
        new(Encoding.UTF8.GetBytes("""{"model":"m","messages":[{"role":"\u0075ser","content":"a"},{"role":"assistant","content":"b"}]}""")), OperationTable.Find("/api/chat", out _)!).IsLaterTurn);

    /// <summary>A body of one byte a segment.</summary>
    private static ReadOnlySequence<byte> Pieces(string text)
    {
        Segment? first = null, last = null;
        foreach (var b in Encoding.UTF8.GetBytes(text))
            last = last is null ? first = new Segment([b]) : last.Append([b]);
        return new ReadOnlySequence<byte>(first!, 0, last!, 1);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(byte[] bytes) => Memory = bytes;

        public Segment Append(byte[] bytes)
        {
            var next = new Segment(bytes) { RunningIndex = RunningIndex + 1 };
            Next = next;
            return next;
        }
    }
}
