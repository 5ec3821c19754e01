using System.Text;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Tests.Forwarding;

public class ResponseShapeTests
{
    private const bool Labelled = true;

    // Body, stream format of the operation, whether the content type is a stream, whether a length is given, expected result.
    public static TheoryData<string, string, bool, bool, bool> Answers => new()
    {
        { "{\"model\":\"m\"}\n", "Done", false, false, true },
        { "{ \"model\" : \"m\"}\r\n", "Done", false, false, true },
        { "\uFEFF{\"model\":\"m\"}\n", "Done", false, false, true },
        { "\n\n{\"model\":\"m\"}\n", "Done", false, false, true },
        { "{\"status\":\"pulling\"}\n", "Success", false, false, true },
        { "{\"model\":\"m\",\"done\":true}", "Done", false, true, false },
        { "{\"model\":\"m\",\"done\":true}", "Done", Labelled, true, true },
        { "{\n  \"model\": \"m\"\n}", "Done", false, false, false },
        { "<html>", "Done", false, false, false },
        { "data: {}\n\n", "DoneMarker", false, false, true },
        { "data:{}\n\n", "DoneMarker", false, true, true },
        { "\uFEFFdata: {}\n\n", "DoneMarker", false, false, true },
        { "\n\n\ndata: {}\n\n", "DoneMarker", false, false, true },
        { ": ping\n\n", "DoneMarker", false, false, true },
        { "event: message_start\n", "MessageStop", false, false, true },
        { "event:response.created\r\n", "ResponseEvent", false, false, true },
        { "id: 1\r", "DoneMarker", false, false, true },
        { "retry: 10\n", "DoneMarker", false, false, true },
        { "{\"choices\":[]}", "DoneMarker", false, false, false },
        { "{\"choices\":[]}", "DoneMarker", Labelled, false, false },
        { "database down", "DoneMarker", false, false, false },
        { "database down", "DoneMarker", Labelled, false, true },
        { "", "DoneMarker", Labelled, false, true },
        { "", "Done", false, false, false },
        { "dat", "DoneMarker", false, false, false },
    };

    [Theory]
    [MemberData(nameof(Answers))]
    public void IsStream_CompleteOrByteByByte_ByContent(string text, string end, bool isLabelled, bool hasLength, bool expected)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        for (var first = 0; first <= bytes.Length; first++)
        {
            bool? decided = null;
            var length = first;
            for (; decided is null && length <= bytes.Length; length++)
                decided = ResponseShape.IsStream(Enum.Parse<StreamEnd>(end), isLabelled, hasLength, bytes.AsSpan(0, length), isAll: false);
            decided ??= ResponseShape.IsStream(Enum.Parse<StreamEnd>(end), isLabelled, hasLength, bytes, isAll: true);
            Assert.Equal(expected, decided);
        }
    }

    [Theory]
    [InlineData("{\"error\":\"x\"}\n", true)]
    [InlineData("{ \"error\" : \"x\" }\n", true)]
    [InlineData("{\"error\":{\"message\":\"x\"}}", true)]
    [InlineData("{\"error\":null,\"done\":false}\n", false)]
    [InlineData("{\"error\":\"\",\"done\":false}\n{\"error\":\"x\"}", false)]
    [InlineData("{\"message\":{\"content\":\"\\\"error\\\"\"}}\n", false)]
    [InlineData("", false)]
    public void IsError_FirstLine_ByValue(string lines, bool expected) => Assert.Equal(expected, ResponseShape.IsError(Encoding.UTF8.GetBytes(lines)));
}
