using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Tests.Protocols;

public class ProtocolErrorTests
{
    [Theory]
    [InlineData("/api/chat", """{"error":"model 'nope' not found"}""", 34)] // 04-err-chat-unknown-model
    [InlineData("/api/generate", """{"error":"model 'nope' not found"}""", 34)]
    [InlineData("/api/delete", """{"error":"model 'nope' not found"}""", 34)]
    [InlineData("/api/embed", """{"error":"model \"nope\" not found, try pulling it first"}""", 58)] // 04-err-embed-unknown-model
    [InlineData("/api/copy", """{"error":"model \"nope\" not found"}""", 36)] // 04-err-copy-unknown-model
    [InlineData("/api/show", """{"error":"model 'nope:latest' not found"}""", 41)] // 01-show-unknown
    [InlineData("/v1/chat/completions", """{"error":{"message":"model 'nope' not found","type":"not_found_error","param":null,"code":null}}""" + "\n", 97)]
    [InlineData("/v1/models/nope", """{"error":{"message":"model 'nope:latest' not found","type":"not_found_error","param":null,"code":null}}""" + "\n", 104)]
    public void Body_UnknownModel_AsRecorded(string path, string expected, int length)
    {
        var operation = OperationTable.Find(path, out _)!;
        var body = ProtocolError.Body(operation.Protocol, 404, ProtocolError.UnknownModel(operation, "nope"));
        Assert.Equal(expected, Text(body));
        Assert.Equal(length, body.Length);
    }

    [Fact]
    public void Body_Anthropic_AsRecordedExceptId()
    {
        // 03-v1-messages-anthropic-unknown
        var body = Text(ProtocolError.Body(Protocol.Anthropic, 404, "model 'nope' not found"));
        Assert.Equal(131, body.Length);
        Assert.Equal(
            """{"type":"error","error":{"type":"not_found_error","message":"model 'nope' not found"},"request_id":"req_X"}""" + "\n",
            Regex.Replace(body, "req_[0-9a-f]{24}", "req_X"));
        Assert.NotEqual(body, Text(ProtocolError.Body(Protocol.Anthropic, 404, "model 'nope' not found")));
    }

    [Fact]
    public void Body_EmptyModelOnV1_AsRecorded() => Assert.Equal(
        """{"error":{"message":"model is required","type":"invalid_request_error","param":null,"code":null}}""" + "\n", // 03-v1-chat-empty-model
        Text(ProtocolError.Body(Protocol.OpenAI, 400, "model is required")));

    [Fact]
    public void Body_TooManyRequestsOnV1_HasOpenAIsCode() => Assert.Equal(
        """{"error":{"message":"x","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}""" + "\n",
        Text(ProtocolError.Body(Protocol.OpenAI, 429, "x")));

    [Theory]
    [InlineData("\"\\\n\u0001é€😀</script>&'")]
    [InlineData("")]
    public void Body_AnyMessage_ParsesBack(string message)
    {
        using var ollama = JsonDocument.Parse(ProtocolError.Body(Protocol.Ollama, 400, message));
        using var openai = JsonDocument.Parse(ProtocolError.Body(Protocol.OpenAI, 400, message));
        using var anthropic = JsonDocument.Parse(ProtocolError.Body(Protocol.Anthropic, 400, message));
        Assert.Equal(message, ollama.RootElement.GetProperty("error").GetString());
        Assert.Equal(message, openai.RootElement.GetProperty("error").GetProperty("message").GetString());
        Assert.Equal(message, anthropic.RootElement.GetProperty("error").GetProperty("message").GetString());
    }

    [Theory]
    [InlineData(400, "invalid_request_error", "invalid_request_error")]
    [InlineData(401, "authentication_error", "authentication_error")]
    [InlineData(403, "permission_error", "permission_error")]
    [InlineData(404, "not_found_error", "not_found_error")]
    [InlineData(413, "invalid_request_error", "request_too_large")]
    [InlineData(429, "rate_limit_error", "rate_limit_error")]
    [InlineData(502, "api_error", "api_error")]
    [InlineData(503, "api_error", "overloaded_error")]
    [InlineData(504, "api_error", "timeout_error")]
    public void Body_Status_HasErrorType(int status, string openai, string anthropic)
    {
        Assert.Contains($"\"type\":\"{openai}\"", Text(ProtocolError.Body(Protocol.OpenAI, status, "x")), StringComparison.Ordinal);
        Assert.Contains($"\"error\":{{\"type\":\"{anthropic}\"", Text(ProtocolError.Body(Protocol.Anthropic, status, "x")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Done", "", "\n")]
    [InlineData("Success", "", "\n")]
    [InlineData("DoneMarker", "data: ", "\n\n")]
    [InlineData("ResponseEvent", "event: error\ndata: ", "\n\n")]
    [InlineData("MessageStop", "event: error\ndata: ", "\n\n")]
    public void StreamTail_EachProtocol_IsErrorWithoutTerminalMarker(string end, string prefix, string suffix)
    {
        var kind = Enum.Parse<StreamEnd>(end);
        var tail = ProtocolError.StreamTail(kind, "it \"broke\"\n");
        var text = Text(tail);
        Assert.StartsWith(prefix + "{", text, StringComparison.Ordinal);
        Assert.EndsWith("}" + suffix, text, StringComparison.Ordinal);
        var json = text[prefix.Length..^suffix.Length];
        Assert.DoesNotContain('\n', json);
        Assert.Contains("it \"broke\"\n", Strings(JsonDocument.Parse(json).RootElement));
        using var watcher = StreamWatcher.For(kind);
        watcher.Observe(tail.Span);
        Assert.True(watcher.HasError);
        Assert.False(watcher.IsComplete);
    }

    [Fact]
    public async Task Write_RetryAfter_WholeSecondsAtLeastOne()
    {
        var context = new DefaultHttpContext();
        await ProtocolError.WriteAsync(context, Protocol.Ollama, 503, "x", TimeSpan.FromSeconds(0.2));
        Assert.Equal("1", context.Response.Headers.RetryAfter);
        Assert.Equal((503, "application/json; charset=utf-8", 13L), (context.Response.StatusCode, context.Response.ContentType, context.Response.ContentLength));
        var second = new DefaultHttpContext();
        await ProtocolError.WriteAsync(second, Protocol.OpenAI, 404, "x");
        Assert.Equal("application/json", second.Response.ContentType);
        Assert.Equal(0, second.Response.Headers.RetryAfter.Count);
    }

    [Fact]
    public async Task Write_Head_LengthButNoBody()
    {
        var context = new DefaultHttpContext();
        context.Request.Method = "HEAD";
        var body = new MemoryStream();
        context.Response.Body = body;
        await ProtocolError.WriteAsync(context, Protocol.Ollama, 404, "x");
        Assert.Equal(0, body.Length);
        Assert.Equal(13, context.Response.ContentLength);
    }

    private static IEnumerable<string?> Strings(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Object => json.EnumerateObject().SelectMany(p => Strings(p.Value)),
        JsonValueKind.String => [json.GetString()],
        _ => [],
    };

    private static string Text(ReadOnlyMemory<byte> bytes) => Encoding.UTF8.GetString(bytes.Span);
}
