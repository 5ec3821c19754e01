using System.Text;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Tests.Protocols;

public class CondensedJsonTests
{
    [Theory]
    [InlineData("""{"a":"x","n":-1.5e3,"b":[true,null,{"c":"\"\\"}]}""")]
    [InlineData("""{"t":"\\\\\"{\\","done":true}""")]
    [InlineData("""{"emoji":"👩‍👩‍👧‍👦 \ud83d"}""")]
    public void Append_ShortStringsInAnyPieces_SameText(string json)
    {
        for (var size = 1; size < 12; size++)
            Assert.Equal(json, Condense(json, size));
    }

    [Fact]
    public void Append_LongStringsInAnyPieces_SameExceptLongStrings()
    {
        var text = Gen.Elements("A", "\\\"", "\\\\", "ü", "漢", "{", "}", "\\u0041").ListOf().Select(string.Concat);
        Prop.ForAll(text.ToArbitrary(), Gen.Choose(1, 5000).ToArbitrary(), (content, size) =>
        {
            var filler = string.Concat(Enumerable.Repeat(content + "=", 2000 / (content.Length + 1) + 1200));
            var json = $$"""{"image":"{{filler}}","short":"{{content[..0]}}","done":true,"eval_count":7}""";
            var node = JsonNode.Parse(Condense(json, size))!;
            return (string)node["image"]! == "" && (bool)node["done"]! && (int)node["eval_count"]! == 7;
        }).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true));
    }

    [Fact]
    public void Append_TooMuchOutsideStrings_TooLong()
    {
        var condensed = new CondensedJson();
        var numbers = Encoding.UTF8.GetBytes(string.Join(',', Enumerable.Repeat(1, 100_000)));
        for (var i = 0; i < 10; i++)
            condensed.Append(numbers);
        Assert.True(condensed.IsTooLong);
        Assert.True(condensed.Text.IsEmpty);
    }

    private static string Condense(string json, int size)
    {
        var condensed = new CondensedJson();
        foreach (var piece in Encoding.UTF8.GetBytes(json).Chunk(size))
            condensed.Append(piece);
        return Encoding.UTF8.GetString(condensed.Text);
    }
}
