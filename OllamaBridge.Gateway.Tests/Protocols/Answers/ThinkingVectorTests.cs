using System.Text.Json;
using OllamaBridge.Gateway.Protocols.Answers;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Testing.Repository;

namespace OllamaBridge.Gateway.Tests.Protocols.Answers;

/// <summary>
/// Results of Ollama's own package <c>thinking</c> (0.33.0-rc2), compiled and run on random tokens and random templates: the bridge's reading agrees with it token by token.
/// </summary>
public class ThinkingVectorTests
{
    private static readonly JsonElement Vectors = JsonElement.Parse(RepositoryFiles.Read("OllamaBridge.Testing/Vectors/thinking.json"));

    [Fact]
    public void Add_AnyTokens_ShownAsByOllama()
    {
        var tags = new ThinkingTags("<think>", "</think>");
        foreach (var vector in Vectors.GetProperty("parser").EnumerateArray())
        {
            var isOpened = vector.GetProperty("opened").GetBoolean();
            var parser = new ThinkingParser(tags, isOpened ? ThinkingState.Opened : ThinkingState.Start);
            foreach (var (token, shown) in vector.GetProperty("tokens").EnumerateArray().Zip(vector.GetProperty("shown").EnumerateArray()))
                Assert.True((shown[0].GetString()!, shown[1].GetString()!) == parser.Add(token.GetString()!), vector.ToString());
        }
    }

    [Fact]
    public void Find_AnyTemplate_TagsAsOfOllama()
    {
        var found = 0;
        foreach (var vector in Vectors.GetProperty("tags").EnumerateArray())
        {
            var (opening, closing) = (vector.GetProperty("opening").GetString()!, vector.GetProperty("closing").GetString()!);
            // Without either the server separates nothing.
            var expected = opening.Length > 0 && closing.Length > 0 ? new ThinkingTags(opening, closing) : null;
            found += expected is null ? 0 : 1;
            Assert.True(expected == TemplateTags.Find(vector.GetProperty("template").GetString()!), vector.ToString());
        }

        Assert.True(found > 10);
    }

    [Theory]
    [InlineData("{{ range .Messages }}{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}", "not closed")]
    [InlineData("{{ range .Messages }}{{ end }}{{ end }}", "closed twice")]
    [InlineData("{{ .Content", "no end of an action")]
    [InlineData("{{/* .Content", "no end of a comment")]
    [InlineData("{{ else }}", "else of nothing")]
    [InlineData("{{ if .A }}{{ else if }}{{ end }}", "a condition without one")]
    public void Find_NotWellFormed_None(string template, string why) => Assert.True(TemplateTags.Find(template) is null, why);
}
