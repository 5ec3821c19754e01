using System.Buffers;
using System.Text;
using OllamaBridge.Gateway.Forwarding.TokenCounts;
using OllamaBridge.Gateway.Tests.Protocols;

namespace OllamaBridge.Gateway.Tests.Forwarding.TokenCounts;

public sealed class TokenEstimateTests
{
    [Theory]
    [InlineData("""{"messages":[{"role":"user","content":"abcdefgh"}]}""", 2 + 4)]
    [InlineData("""{"messages":[{"role":"user","content":"你好世界"}]}""", 4 + 4)]
    [InlineData("""{"messages":[{"role":"user","content":"привет"}]}""", 3 + 4)]
    [InlineData("""{"system":"abcd","messages":[{"role":"user","content":"abcd"},{"role":"assistant","content":"abcd"}]}""", 3 + 8)]
    [InlineData("""{"system":[{"type":"text","text":"abcd","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"text","text":"abcd"}]}]}""", 2 + 4)]
    [InlineData("""{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAAAAAAAAAAAAAAAAAAAAAA"}}]}]}""", 768 + 4)]
    [InlineData("""{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_0123456789","content":"abcd"}]}]}""", 1 + 4)]
    [InlineData("""{"max_tokens":12345678,"metadata":{"user_id":"abcdefghijkl"},"messages":[{"role":"user","content":""}]}""", 4)]
    public void Of_Messages_TokensOfTheirText(string body, long tokens)
    {
        var bytes = Encoding.UTF8.GetBytes(body);
        Assert.Equal(tokens, TokenEstimate.Of(new ReadOnlySequence<byte>(bytes)));
        Assert.Equal(tokens, TokenEstimate.Of(Segments.Of([.. bytes.Chunk(1)])));
    }

    [Fact]
    public void Of_Tools_SchemaNamesCounted()
    {
        const string With = """{"tools":[{"name":"get_weather","description":"Tells the weather","input_schema":{"type":"object","properties":{"location":{"type":"string"}}}}],"messages":[{"role":"user","content":"x"}]}""";
        const string Without = """{"messages":[{"role":"user","content":"x"}]}""";
        Assert.InRange(TokenEstimate.Of(Bytes(With))!.Value - TokenEstimate.Of(Bytes(Without))!.Value, 15, 40);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"messages":[]}""")]
    [InlineData("""{"messages":"x"}""")]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("")]
    public void Of_NoMessages_Null(string body) => Assert.Null(TokenEstimate.Of(Bytes(body)));

    private static ReadOnlySequence<byte> Bytes(string body) => new(Encoding.UTF8.GetBytes(body));
}
