using OllamaBridge.Gateway.Forwarding;

namespace OllamaBridge.Gateway.Tests.Forwarding;

public class HeaderTextTests
{
    [Theory]
    [InlineData("deepseek-r1:7b", "deepseek-r1:7b")]
    [InlineData("/models/My Models/q.gguf", "/models/My Models/q.gguf")]
    [InlineData(" x", "%20x")]
    [InlineData("中文", "%E4%B8%AD%E6%96%87")]
    [InlineData("50%", "50%25")]
    [InlineData("a\r\nb", "a%0D%0Ab")]
    public void Encode_AnyText_PrintableAsciiRoundTrips(string text, string expected)
    {
        Assert.Equal(expected, HeaderText.Encode(text));
        Assert.Equal(text, Uri.UnescapeDataString(expected));
    }
}
