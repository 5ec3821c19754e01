using System.Net.ServerSentEvents;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Tests.Protocols;

/// <summary>Event streams in all forms that the specification allows, compared with .NET's own parser.</summary>
public class SseDialectTests
{
    private static readonly Config Quick = Config.QuickThrowOnFailure.WithQuietOnSuccess(true);
    private static readonly string[] Endings = ["\n", "\r\n", "\r"];
    private static readonly string[] Lines =
    [
        "data: one", "data:two", "data:  three", "data", "data:", ": comment", ":", "event: message", "event:x", "event", "id: 7", "id", "retry: 10",
        "unknown: field", "unknown", " data: indented", "datax: no", "data: {\"a\":1,", "data: \"b\":2}", "data: 漢字 béta", "data: [DONE]", "", "", "",
    ];

    [Fact]
    public void Parse_AnyLinesAndEndings_SameEventsAsReferenceParser()
    {
        var line = Gen.Zip(Gen.Elements(Lines), Gen.Elements(Endings)).ListOf();
        Prop.ForAll(line.ToArbitrary(), Gen.Elements(true, false).ToArbitrary(), (lines, hasMark) =>
        {
            var text = (hasMark ? "\uFEFF" : "") + string.Concat(lines.Select(l => l.Item1 + l.Item2)) + "\n\n";
            var expected = Reference(text);
            return Ours(text).SequenceEqual(expected) && Enumerable.Range(1, 9).All(size => OursInPieces(text, size).SequenceEqual(expected));
        }).Check(Quick);
    }

    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    [InlineData("\r")]
    public void Find_EventWithBlankLine_EndsAtBlankLineWithoutWaiting(string ending)
    {
        var text = $"data: x{ending}{ending}";
        Assert.Equal(text.Length, MessageSplitter.Find(Encoding.UTF8.GetBytes(text), hasEvents: true, out var length));
        Assert.Equal("data: x".Length, length);
    }

    [Theory]
    [InlineData("{\"error\":\"no event\"}")]
    [InlineData("<html>")]
    [InlineData("data: x\n[1]")]
    public void Parse_OtherFormat_NotReadable(string text) => Assert.False(SseEvent.Parse(Encoding.UTF8.GetBytes(text)).IsReadable);

    /// <summary>The data of the events that have data, according to .NET's parser.</summary>
    private static string[] Reference(string text)
    {
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(text));
        return [.. SseParser.Create(stream).Enumerate().Select(e => e.Data.Trim(' ', '\t', '\n')).Where(d => d.Length > 0)];
    }

    private static string[] Ours(string text) => OursInPieces(text, int.MaxValue);

    private static string[] OursInPieces(string text, int size)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var events = new List<string>();
        var (start, searched) = (0, 0);
        for (var end = Math.Min(size, bytes.Length); ; end = (int)Math.Min((long)end + size, bytes.Length))
        {
            while (MessageSplitter.Find(bytes.AsSpan(start, end - start), hasEvents: true, ref searched, out var length) is >= 0 and var taken)
            {
                var parsed = SseEvent.Parse(bytes.AsSpan(start, length));
                Assert.True(parsed.IsReadable);
                if (!parsed.IsEmpty)
                    events.Add(Encoding.UTF8.GetString(parsed.Data));
                start += taken;
                searched = 0;
            }

            if (end == bytes.Length)
                return [.. events];
        }
    }
}
