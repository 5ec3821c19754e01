using System.Buffers;
using System.Text;
using OllamaBridge.Gateway.Catalog;

namespace OllamaBridge.Gateway.Tests.Catalog;

public sealed class CreateSourceTests
{
    [Theory]
    [InlineData("""{"model":"x","from":"llama3"}""", "llama3")]
    [InlineData("""{"FROM":"llama3:8b"}""", "llama3:8b")]
    [InlineData("""{"from":"a","from":"b"}""", "b")]
    [InlineData("""{"files":{"from":"no"},"from":"yes"}""", "yes")]
    [InlineData("""{"fr\u006fm":"escaped"}""", "escaped")]
    [InlineData("""{"model":"x"}""", null)]
    [InlineData("""{"from":""}""", null)]
    [InlineData("""{"from":5}""", null)]
    [InlineData("""{"from":"cut""", null)]
    [InlineData("[]", null)]
    [InlineData("", null)]
    public void Read_Body_ReturnsBaseModel(string body, string? expected) =>
        Assert.Equal(expected, CreateSource.Read(new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(body))));
}
