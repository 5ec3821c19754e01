using System.Text;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Tests.Protocols.Answers;

public class MessageSplitterTests
{
    [Theory]
    [InlineData(false, "a\nb\n", 2, 1)]
    [InlineData(false, "a\r\nb", 3, 2)] // the reader treats \r as whitespace
    [InlineData(false, "\na", 1, 0)]
    [InlineData(false, "a", -1, 0)]
    [InlineData(false, "", -1, 0)]
    [InlineData(true, "a\n\nb", 3, 1)]
    [InlineData(true, "a\nb\n\n", 5, 3)]
    [InlineData(true, "a\r\n\r\nb", 5, 1)]
    [InlineData(true, "a\n\r\nb", 4, 1)]
    [InlineData(true, "\n\na", 2, 0)]
    [InlineData(true, "\na\n\n", 4, 2)]
    [InlineData(true, "a\n", -1, 0)] // the next line can belong to the event
    [InlineData(true, "a\r\n\r", 4, 1)] // a carriage return ends the blank line
    [InlineData(true, "a\r\r\n", 4, 1)]
    [InlineData(true, "a\r", -1, 0)]
    [InlineData(true, "a\rb\r\rc", 5, 3)]
    [InlineData(true, "a\nb", -1, 0)]
    [InlineData(true, "a", -1, 0)]
    public void Find_FirstMessage_LengthWithAndWithoutTerminator(bool hasEvents, string text, int size, int length)
    {
        Assert.Equal(size, MessageSplitter.Find(Encoding.ASCII.GetBytes(text), hasEvents, out var without));
        Assert.Equal(length, without);
    }
}
