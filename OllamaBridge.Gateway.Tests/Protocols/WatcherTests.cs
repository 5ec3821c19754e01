using System.Text;
using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Tests.Protocols;

public class WatcherTests
{
    // Shortened from the named recordings.
    private const string Chat = """
        {"model":"tiny","created_at":"2026-11-23T21:11:22.582756244Z","message":{"role":"assistant","content":"A"},"done":false}
        {"model":"tiny","created_at":"2026-11-23T21:11:22.582936592Z","message":{"role":"assistant","content":" server"},"done":false}
        {"model":"tiny","created_at":"2026-11-23T21:11:22.58506818Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"length","total_duration":10243573,"load_duration":1064352,"prompt_eval_count":12,"prompt_eval_duration":878000,"eval_count":6,"eval_duration":2622000}

        """; // 02-chat-stream

    private const string RunnerDied = """
        {"model":"slow","created_at":"2026-11-23T21:14:12.366154802Z","response":" better","done":false}
        {"model":"slow","created_at":"2026-11-23T21:14:12.764360267Z","response":" is","done":false}
        {"error":"an error was encountered while running the model: unexpected EOF"}

        """; // 08-kill9-runner-midstream

    private const string ToolCall = """
        {"model":"m","message":{"role":"assistant","content":"say \"done\":true, {\"done\":true}","tool_calls":[{"function":{"name":"f","arguments":{"done":true,"usage":{"eval_count":9}}}}]},"done":false}

        """;

    private const string V1 = """
        data: {"id":"chatcmpl-299","object":"chat.completion.chunk","created":1795468284,"model":"tiny","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"A"},"finish_reason":null}]}

        data: {"id":"chatcmpl-299","object":"chat.completion.chunk","created":1795468284,"model":"tiny","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{},"finish_reason":"length"}]}

        data: [DONE]


        """; // 03-v1-chat-stream

    private const string V1Usage = """
        data: {"id":"1","choices":[{"index":0,"delta":{"content":"A"},"finish_reason":"stop"}]}

        data: {"id":"1","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":34,"total_tokens":46}}

        data: [DONE]


        """;

    private const string V1RunnerDied = """
        data: {"id":"chatcmpl-962","object":"chat.completion.chunk","created":1795468455,"model":"slow","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"content":" at"},"finish_reason":null}]}

        data: {"id":"chatcmpl-962","object":"chat.completion.chunk","created":1795468455,"model":"","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"content":""},"finish_reason":null}]}


        """; // 08-kill9-runner-v1-sse-midstream

    private const string Anthropic = """
        event: message_start
        data: {"type":"message_start","message":{"id":"msg_23","type":"message","role":"assistant","model":"tiny","content":[],"usage":{"input_tokens":2,"output_tokens":0}}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"event: message_stop"}}

        event: message_delta
        data: {"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"input_tokens":8,"output_tokens":5}}

        event: message_stop
        data: {"type":"message_stop"}


        """; // 03-v1-messages-anthropic-stream

    private const string Responses = """
        event: response.output_text.delta
        data: {"type":"response.output_text.delta","delta":"response.completed"}

        event: response.completed
        data: {"type":"response.completed","response":{"id":"resp_1","status":"completed","usage":{"input_tokens":8,"output_tokens":5,"total_tokens":13}}}


        """;

    private const string Pull = """
        {"status":"pulling 64caf9ef3d2e","digest":"sha256:64caf9","total":14447200,"completed":13107200}
        {"status":"writing manifest"}
        {"status":"success"}

        """; // 14-pull-ok-stream

    public static TheoryData<string, string, bool, bool, int, int> Streams => new()
    {
        { "Done", Chat, true, false, 12, 6 },
        { "Done", Chat.TrimEnd(), true, false, 12, 6 },
        { "Done", Chat[..Chat.IndexOf("\"done\":true", StringComparison.Ordinal)], false, false, 0, 3 },
        { "Done", RunnerDied, false, true, 0, 2 },
        { "Done", ToolCall, false, false, 0, 1 },
        { "Done", "", false, false, 0, 0 },
        { "Done", """{"model":"m","done":true}""" + "\n", true, false, 0, 0 },
        { "Done", """{"message":{"done":true},"done":false}""" + "\n", false, false, 0, 1 },
        { "Done", """{"done":"true"}""" + "\n", false, false, 0, 1 },
        { "DoneMarker", V1, true, false, 0, 2 },
        { "DoneMarker", V1.Replace("\n", "\r\n", StringComparison.Ordinal), true, false, 0, 2 },
        { "DoneMarker", V1Usage, true, false, 12, 34 },
        { "DoneMarker", V1RunnerDied, false, false, 0, 2 },
        { "DoneMarker", """data: {"choices":[{"delta":{"content":"data: [DONE]"}}]}""" + "\n\n", false, false, 0, 1 },
        { "DoneMarker", """data: {"choices":[{"delta":{"content":"\"usage\":{\"completion_tokens\":9}"}}]}""" + "\n\n", false, false, 0, 1 },
        { "DoneMarker", """data: {"error":{"message":"x"}}""" + "\n\n", false, true, 0, 0 },
        { "MessageStop", Anthropic, true, false, 8, 5 },
        { "MessageStop", Anthropic[..Anthropic.LastIndexOf("event:", StringComparison.Ordinal)], false, false, 8, 5 },
        { "MessageStop", "event: error\ndata: {\"type\":\"error\"}\n\n", false, true, 0, 1 },
        { "ResponseEvent", Responses, true, false, 8, 5 },
        { "ResponseEvent", Responses[..Responses.IndexOf("event: response.completed", StringComparison.Ordinal)], false, false, 0, 1 },
        { "Success", Pull, true, false, 0, 0 },
        { "Success", """{"status":"verifying"}""" + "\n" + """{"error":"no network"}""" + "\n", false, true, 0, 1 },
    };

    [Theory]
    [MemberData(nameof(Streams))]
    public void Observe_WholeOrByteByByte_SameVerdict(string end, string text, bool complete, bool error, int input, int output)
    {
        var expected = (complete, error, (long)input, (long)output);
        var bytes = Encoding.UTF8.GetBytes(text);
        Assert.Equal(expected, Watch(end, [bytes]));
        Assert.Equal(expected, Watch(end, bytes.Chunk(1)));
        Assert.Equal(expected, Watch(end, bytes.Chunk(7)));
    }

    [Theory]
    [MemberData(nameof(Streams))]
    public void Observe_SplitAnywhere_SameVerdict(string end, string text, bool complete, bool error, int input, int output)
    {
        var expected = (complete, error, (long)input, (long)output);
        var bytes = Encoding.UTF8.GetBytes(text);
        for (var at = 0; at <= bytes.Length; at++)
            Assert.Equal(expected, Watch(end, [bytes[..at], bytes[at..]]));
        Prop.ForAll(Gen.Choose(1, 60).ListOf().ToArbitrary(), sizes =>
            expected == Watch(end, Split(bytes, sizes))).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true));
    }

    [Theory]
    [InlineData("\",\"done\":true}\n", true, false)]
    [InlineData("\",\"done\":false}\n", false, false)]
    [InlineData("\",\"error\":\"x\"}\n", false, true)]
    public void Observe_VeryLongLine_ReadWithoutLongStrings(string ending, bool complete, bool error)
    {
        using var watcher = StreamWatcher.For(StreamEnd.Done);
        watcher.Observe("{\"x\":\""u8);
        var megabyte = new byte[1 << 20];
        Array.Fill(megabyte, (byte)'x');
        for (var i = 0; i < 5; i++)
            watcher.Observe(megabyte);
        watcher.Observe(Encoding.UTF8.GetBytes(ending));
        Assert.Equal((complete, error), (watcher.IsComplete, watcher.HasError));
        watcher.Observe(Encoding.UTF8.GetBytes(Chat));
        Assert.True(watcher.IsComplete);
    }

    [Theory]
    [InlineData("")]
    [InlineData("not json")]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("""{"done":tru""")]
    [InlineData("""{"eval_count":"many","prompt_eval_count":1e99}""")]
    [InlineData("""{"eval_count":1.5}""")]
    public void Usage_Invalid_Empty(string json) => Assert.Equal(default, Usage.Read(Encoding.UTF8.GetBytes(json)) with { IsReadable = false });

    [Theory]
    [InlineData("""{"prompt_eval_count":12,"eval_count":6,"done":true}""", true, 12, 6)]
    [InlineData("""{"usage":{"prompt_tokens":12,"completion_tokens":6}}""", false, 12, 6)]
    [InlineData("""{"type":"message_start","message":{"usage":{"input_tokens":2,"output_tokens":1}}}""", false, 2, 1)]
    [InlineData("""{"response":{"usage":{"input_tokens":8,"output_tokens":5}}}""", false, 8, 5)]
    [InlineData("""{"response":"text","done":true}""", true, 0, 0)]
    [InlineData("""{"x":{"eval_count":9,"done":true},"y":[{"done":true}],"eval_count":1}""", false, 0, 1)]
    public void Usage_EachShape_Read(string json, bool done, long input, long output)
    {
        var usage = Usage.Read(Encoding.UTF8.GetBytes(json));
        Assert.Equal((done, input, output), (usage.Done, usage.InputTokens, usage.OutputTokens));
    }

    private static IEnumerable<byte[]> Split(byte[] bytes, IEnumerable<int> sizes)
    {
        var at = 0;
        foreach (var size in sizes)
        {
            var to = Math.Min(bytes.Length, at + size);
            yield return bytes[at..to];
            at = to;
        }

        yield return bytes[at..];
    }

    private static (bool, bool, long, long) Watch(string end, IEnumerable<byte[]> chunks)
    {
        using var watcher = StreamWatcher.For(Enum.Parse<StreamEnd>(end));
        foreach (var chunk in chunks)
            watcher.Observe(chunk);
        watcher.Finish();
        return (watcher.IsComplete, watcher.HasError, watcher.InputTokens, watcher.OutputTokens);
    }
}
