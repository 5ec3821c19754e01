using System.Text;
using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Tests.Protocols.Answers;

public class ThinkingParserTests
{
    private static readonly ThinkingTags Tags = new("<think>", "</think>");

    // Pieces of possible answers, with whole and partial tags.
    private static readonly Gen<string[]> Written = Gen.Elements(
        "a", " b", "\n", "  ", "<", "</", "</thi", "</think", "</think>", "nk>", "<think>", "<thi", "é", "😀", ".", "\u00a0", "\n</think>\n\n").ArrayOf();

    [Theory]
    [InlineData("<think>\nso it is\n</think>\n\nBlue.\n", "so it is\n", "Blue.\n")]
    [InlineData("\n <think>\n\nso\n\n</think> Blue", "so\n\n", "Blue")]
    [InlineData("<think>\n\n</think>\n\nBlue", "", "Blue")]
    [InlineData("  Blue <think>a</think>", "", "  Blue <think>a</think>")]
    [InlineData("<think>a</think> b </think> c", "a", "b </think> c")]
    [InlineData("<think>a <b> </thin", "a <b> ", "")]
    [InlineData("<thin", "", "")]
    public void Add_CharacterByCharacterOrAtOnce_AsOllama(string written, string thinking, string content)
    {
        Assert.Equal((thinking, content), Read([written], ThinkingState.Start));
        Assert.Equal((thinking, content), Read([.. written.Select(c => c.ToString())], ThinkingState.Start));
    }

    [Fact]
    public void Add_PromptHasOpenedTheThinking_WhitespaceIsDropped() =>
        Assert.Equal(("why", "Blue"), Read(["\n", "why", "</think>", "\n", "Blue"], ThinkingParser.After("Why?\n<think>\n", Tags)));

    [Fact]
    public void Add_NothingUncertain_ShownAtOnce()
    {
        var parser = new ThinkingParser(Tags, ThinkingState.Thinking);
        Assert.Equal(("why \n", ""), parser.Add("why \n"));
        Assert.Equal((" not ", ""), parser.Add(" not </"));
        Assert.Equal(("</b>", ""), parser.Add("b>"));
    }

    /// <summary>Shown and hidden text together are the raw text.</summary>
    [Fact]
    public void RawAnswer_AnyTokens_HiddenAndShownTextIsWhatWasWritten() => Prop.ForAll(Written.ToArbitrary(), tokens =>
    {
        var answer = new RawAnswer(new ThinkingParser(Tags, ThinkingState.Start));
        var (thinking, content) = (new StringBuilder(), new StringBuilder());
        foreach (var token in tokens)
        {
            var (t, c) = answer.Add(token);
            thinking.Append(t);
            content.Append(c);
            if (content.Length == 0)
                continue;
            var close = thinking.Length > 0 ? answer.Close : null;
            var raw = answer.Lead!.Value.Text + thinking + close?.Text + content;
            Assert.StartsWith(raw, string.Concat(tokens), StringComparison.Ordinal);
        }
    }).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true).WithMaxTest(2000));

    [Fact]
    public void RawAnswer_EachToken_CountedOnce()
    {
        string[] tokens = ["\n", "<think>", "\n", "why", " not", "\n", "</", "think", ">", "\n\n", "Blue", "."];
        var answer = new RawAnswer(new ThinkingParser(Tags, ThinkingState.Start));
        var shown = tokens.Count(t => answer.Add(t) is not ("", ""));
        Assert.Equal(new HiddenText("\n<think>\n", 3), answer.Lead);
        Assert.Equal(new HiddenText("</think>\n\n", 4), answer.Close);
        Assert.Equal(tokens.Length, shown + answer.Lead!.Value.Tokens + answer.Close!.Value.Tokens);
    }

    private static (string Thinking, string Content) Read(string[] tokens, ThinkingState state)
    {
        var parser = new ThinkingParser(Tags, state);
        var (thinking, content) = ("", "");
        foreach (var token in tokens)
        {
            var (t, c) = parser.Add(token);
            (thinking, content) = (thinking + t, content + c);
        }

        return (thinking, content);
    }
}
