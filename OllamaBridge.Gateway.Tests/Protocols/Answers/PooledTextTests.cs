using System.Text;
using System.Text.Json;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Tests.Protocols.Answers;

public class PooledTextTests
{
    [Fact]
    public void Append_UpToLimit_KeptAndOneMoreRefused()
    {
        using var text = new PooledText(1000);
        for (var i = 0; i < 100; i++)
            text.Append("0123456789"u8);
        Assert.Equal(1000, text.Length);
        Assert.False(text.IsCut);

        text.Append("x"u8);

        Assert.True(text.IsCut);
        Assert.Equal(string.Concat(Enumerable.Repeat("0123456789", 100)), text.ToString());
    }

    [Fact]
    public void Append_AfterOverflow_RefusesSmallerTextToo()
    {
        using var text = new PooledText(4);
        text.Append("abc"u8);
        text.Append("de"u8);
        text.Append("f"u8);
        Assert.Equal("abc", text.ToString());
        Assert.True(text.IsCut);
    }

    [Theory]
    [InlineData("""Blue""", "Blue")]
    [InlineData("""a\n\"b\"\\\u00e9\ud83d\ude00""", "a\n\"b\"\\é😀")]
    [InlineData("""größe 😀""", "größe 😀")]
    [InlineData("", "")]
    public void Append_Json_Unescaped(string json, string expected)
    {
        using var text = new PooledText(100);
        var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes($"\"{json}\""));
        reader.Read();
        text.Append(ref reader);
        Assert.Equal(expected, text.ToString());
    }

    [Fact]
    public void Truncate_ThenAppend_ContinuesFromThere()
    {
        using var text = new PooledText(100);
        text.Append("abcdef"u8);
        text.Truncate(3);
        text.Truncate(50);
        text.Append("x"u8);
        Assert.Equal("abcx", text.ToString());
    }
}
