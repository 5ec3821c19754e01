using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Tests.Protocols.Answers;

public class ThoughtSplitterTests
{
    private const string Mark = "</think>";
    private static readonly char[] Blanks = [' ', '\n', '\r', '\t'];

    // Pieces of a model's output, with partial and whole marks.
    private static readonly Gen<string> Said = Gen.Elements("a", " b", "\n", "  ", "<", "</", "</thi", "</think", Mark, "nk>", "<think>", "é", "😀", ".")
        .ListOf().Select(string.Concat);

    [Fact]
    public void Take_AnyTextInAnyPieces_SplitAtFirstMark() => Prop.ForAll(Said.ToArbitrary(), Gen.Choose(1, 5).ListOf().ToArbitrary(), (said, sizes) =>
    {
        var at = said.IndexOf(Mark, StringComparison.Ordinal);
        var thinking = (at < 0 ? said : said[..at]).TrimEnd(Blanks);
        var words = at < 0 ? "" : said[(at + Mark.Length)..].TrimStart(Blanks);
        return Split(said, sizes) == (thinking, words);
    }).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true).WithMaxTest(1000));

    [Theory]
    [InlineData("so it is\n</think>\n\nBlue.\n", "so it is", "Blue.\n")]
    [InlineData("  why?", "  why?", "")]
    [InlineData("</think>Blue", "", "Blue")]
    [InlineData("a</think> b </think> c", "a", "b </think> c")]
    public void Take_CharacterByCharacter_SplitAtFirstMark(string said, string thinking, string words) =>
        Assert.Equal((thinking, words), Split(said, [.. Enumerable.Repeat(1, said.Length)]));

    [Fact]
    public void Take_NothingUncertain_ReturnedImmediately()
    {
        using var kept = new KeptAnswer(100);
        var splitter = new ThoughtSplitter(Encoding.ASCII.GetBytes(Mark));
        Take(splitter, "why", kept);
        Assert.Equal("why", kept.Thinking.ToString());
        Take(splitter, " not </", kept);
        Assert.Equal("why not", kept.Thinking.ToString());
        Take(splitter, "b>", kept);
        Assert.Equal("why not </b>", kept.Thinking.ToString());
    }

    [Theory]
    [InlineData("why", "\n</think>\n\n", "Blue", ".")] // the mark as a single token, as in templates
    [InlineData("why", "\n", "</think>", "\n\n", "Blue", ".")]
    [InlineData("why", "</", "think", ">", "Blue", ".")]
    [InlineData("why", " ", "not", "</think>", "Blue")]
    [InlineData("</think>", "\n", "Blue")]
    public void Take_EachToken_CountedOnce(params string[] tokens)
    {
        using var kept = new KeptAnswer(100);
        var splitter = new ThoughtSplitter(Encoding.ASCII.GetBytes(Mark));
        foreach (var token in tokens)
            Take(splitter, token, kept);
        // The response itself counts the token that ends the thinking. Without thinking there is no such token.
        Assert.Equal(tokens.Length - (kept.HasThought ? 0 : 1), kept.Tokens);
    }

    [Fact]
    public void Take_NothingKept_NotCountedYet()
    {
        using var kept = new KeptAnswer(100);
        var splitter = new ThoughtSplitter(Encoding.ASCII.GetBytes(Mark));
        Assert.True(Take(splitter, "why", kept));
        Assert.False(Take(splitter, "\n", kept));
        Assert.False(Take(splitter, "</think>", kept));
        Assert.Equal(1, kept.Pieces);
        Assert.False(Take(splitter, "\n\n", kept));
        Assert.Equal(1, kept.Pieces);
        Assert.True(Take(splitter, "Blue", kept));
        Assert.Equal(4, kept.Pieces);
    }

    private static (string Thinking, string Words) Split(string said, IList<int> sizes)
    {
        using var kept = new KeptAnswer(10_000);
        var splitter = new ThoughtSplitter(Encoding.ASCII.GetBytes(Mark));
        var runes = said.EnumerateRunes().ToArray();
        var at = 0;
        foreach (var size in sizes.Append(runes.Length))
        {
            var next = Math.Min(runes.Length, at + size);
            if (next > at)
                Take(splitter, string.Concat(runes[at..next]), kept);
            at = next;
        }

        splitter.Finish(kept);
        return (kept.Thinking.ToString(), kept.Text.ToString());
    }

    private static bool Take(ThoughtSplitter splitter, string text, KeptAnswer kept)
    {
        var reader = new Utf8JsonReader(JsonSerializer.SerializeToUtf8Bytes(text));
        reader.Read();
        var counts = splitter.Take(ref reader, kept);
        kept.Pieces += counts ? 1 : 0; // as the reader does
        return counts;
    }
}
