using System.Buffers;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Tests.Protocols;

public class RequestInspectorTests
{
    [Theory]
    [InlineData("""{"model":"tiny"}""", "tiny")]
    [InlineData("""{"MODEL":"tiny"}""", "tiny")]
    [InlineData("""{"mOdEl":"tiny"}""", "tiny")]
    [InlineData("""{"\u006dodel":"tiny"}""", "tiny")]
    [InlineData("""{"\u004dODEL":"tiny"}""", "tiny")]
    [InlineData("""{"model":"t\u0069ny"}""", "tiny")]
    [InlineData("""{"model":"a","model":"b"}""", "b")]
    [InlineData("""{"model":"a","Model":"b"}""", "b")]
    [InlineData("""{"Model":"b","model":"a"}""", "a")]
    [InlineData("""{"model":"a","model":null}""", "a")] // null leaves the value unchanged in Go
    [InlineData("""{"model":null}""", null)]
    [InlineData("""{"model":""}""", "")]
    [InlineData("""{"model":"tiny"} trailing {garbage""", "tiny")]
    [InlineData("""{"model":"tiny"}{"model":"other"}""", "tiny")]
    [InlineData(""" { "a":[{"model":"inner"}],"options":{"model":"inner"},"model" : "tiny" } """, "tiny")]
    [InlineData("""{"model":"tiny","options":{"model":"inner"}}""", "tiny")]
    [InlineData("""{"models":"x","mode":"y","model ":"z"}""", null)]
    [InlineData("""{"name":"x"}""", null)]
    [InlineData("""{}""", null)]
    [InlineData("""null""", null)]
    public void Inspect_Model_AsInGo(string body, string? model)
    {
        var facts = Inspect(body);
        Assert.Null(facts.Fault);
        Assert.Equal(model, facts.Model);
    }

    [Theory]
    [InlineData("/api/chat", """{"model":"tiny","name":5}""", "tiny")]
    [InlineData("/api/generate", """{"source":[],"model":"tiny"}""", "tiny")]
    [InlineData("/v1/messages/count_tokens", """{"name":{},"model":"tiny"}""", "tiny")]
    [InlineData("/api/copy", """{"model":5,"name":6,"source":"tiny"}""", "tiny")]
    [InlineData("/api/chat", """{"\ud800":1,"x\udfff":2,"model":"tiny"}""", "tiny")]
    [InlineData("/api/chat", """{"model":"t\ud800y"}""", "t\ufffdy")]
    [InlineData("/api/chat", """{"model":"t\ud83d\ude00\ud83dy\n\"\\\u0041"}""", "t\U0001f600\ufffdy\n\"\\A")]
    [InlineData("/api/chat", """{"model":"tiny","messages":[{"role":"us\ud800","content":[{"type":"\udc00"}]}],"options":{"\ud800":1},"keep_alive":"\ud800"}""", "tiny")]
    public void Inspect_FieldsOfOtherRoutesAndLoneSurrogates_AsInGo(string path, string body, string model)
    {
        var facts = Inspect(body, path);
        Assert.Null(facts.Fault);
        Assert.Equal(model, facts.Model);
        AssertSame(facts, Inspect(Segments.Of([.. Encoding.UTF8.GetBytes(body).Chunk(1)]), path));
    }

    [Theory]
    [InlineData("/api/show", """{"name":5}""", "json: cannot unmarshal number into Go struct field ShowRequest.name of type string")]
    [InlineData("/api/chat", """{"model":5,"x":nope}""", "invalid character 'o' in literal null (expecting 'u')")]
    [InlineData("/api/chat", """{"model":5,"model":[]}""", "json: cannot unmarshal number into Go struct field ChatRequest.model of type string")]
    public void Inspect_WrongType_ReportedAfterSyntaxErrorsAndOnce(string path, string body, string fault) => Assert.Equal(fault, Inspect(body, path).Fault);

    [Theory]
    [InlineData("/api/chat", """{"stream":true, "model" : "tiny" }""", "\"tiny\"")]
    [InlineData("/api/chat", """{"model":"a","MODEL":"t\u0069ny","model":null}""", "\"t\\u0069ny\"")]
    [InlineData("/api/show", """{"name":"tiny","model":""}""", "\"tiny\"")]
    [InlineData("/api/show", """{"name":"x","model":"tiny"}""", "\"tiny\"")]
    [InlineData("/api/copy", """{"source":"tiny"}""", "")] // nothing to replace
    [InlineData("/api/chat", """{"name":"tiny"}""", "")]
    public void Inspect_Model_ReturnsItsPosition(string path, string body, string written)
    {
        var facts = Inspect(body, path);
        Assert.Equal(written, body[(int)facts.ModelStart..(int)facts.ModelEnd]);
        AssertSame(facts, Inspect(Segments.Of([.. Encoding.UTF8.GetBytes(body).Chunk(1)]), path));
    }

    [Theory]
    [InlineData("""{"model":"a","messages":[],"stream":true,"max_tokens":4,"system":"s","prompt":"p"}""", true)]
    [InlineData("""{"model":"a","OTHER":1,"Other":2}""", true)]
    [InlineData("""{"Model":"a"}""", false)]
    [InlineData("""{"mod\u0065l":"a"}""", false)]
    [InlineData("""{"model":"a","model":"a"}""", false)]
    [InlineData("""{"model":"a","MODEL":"b"}""", false)]
    [InlineData("""{"model":"a","max_tokens":9,"Max_Tokens":1}""", false)]
    [InlineData("""{"model":"a","stream":true,"stream":false}""", false)]
    public void Inspect_IsPlain_OnlyUnambiguousBodies(string body, bool isPlain)
    {
        Assert.Equal(isPlain, Inspect(body, "/v1/chat/completions").IsPlain);
        Assert.Equal(isPlain, Inspect(Segments.Of([.. Encoding.UTF8.GetBytes(body).Chunk(1)]), "/v1/chat/completions").IsPlain);
    }

    [Theory]
    [InlineData("/api/show", """{"name":"old"}""", "old")]
    [InlineData("/api/show", """{"name":"old","model":"new"}""", "new")]
    [InlineData("/api/show", """{"name":"old","model":""}""", "old")]
    [InlineData("/api/delete", """{"name":"old"}""", "old")]
    [InlineData("/api/copy", """{"source":"from","destination":"to","model":"x"}""", "from")]
    [InlineData("/api/chat", """{"name":"old"}""", null)]
    public void Inspect_OtherNames_ByRoute(string path, string body, string? model) => Assert.Equal(model, Inspect(body, path).Model);

    [Theory]
    [InlineData("""{"stream":true}""", true)]
    [InlineData("""{"stream":false}""", false)]
    [InlineData("""{"Stream":false}""", false)]
    [InlineData("""{"stream":true,"stream":false}""", false)]
    [InlineData("""{"stream":null}""", null)]
    [InlineData("""{"stream":"yes"}""", null)]
    [InlineData("""{"options":{"stream":true}}""", null)]
    [InlineData("""{}""", null)]
    public void Inspect_Stream_AsWritten(string body, bool? stream) => Assert.Equal(stream, Inspect(body).Stream);

    [Theory]
    [InlineData("/api/chat", false, null)] // a pointer in Go's struct: null resets it
    [InlineData("/v1/chat/completions", true, true)]
    public void Inspect_StreamThenNull_ByProtocol(string path, bool stays, bool? stream)
    {
        Assert.Equal(stream, Inspect("""{"stream":true,"stream":null}""", path).Stream);
        Assert.Equal(stays, stream is not null);
    }

    [Theory]
    [InlineData("""{"files":{"a.gguf":"sha256:1","b":"sha256:2"},"adapters":{"c":"sha256:3"}}""", "sha256:1 sha256:2 sha256:3")]
    [InlineData("""{"files":{"a":5,"b":["sha256:no"],"c":"sha256:1"}}""", "sha256:1")]
    [InlineData("""{"files":null}""", "")]
    [InlineData("""{"files":"x"}""", "")]
    public void Inspect_Create_Digests(string body, string digests) =>
        Assert.Equal(digests, string.Join(' ', Inspect(body, "/api/create").Digests ?? []));

    [Theory]
    [InlineData("""{"model":5}""", "json: cannot unmarshal number into Go struct field ChatRequest.model of type string")]
    [InlineData("""{"model":["a"]}""", "json: cannot unmarshal array into Go struct field ChatRequest.model of type string")]
    [InlineData("""{"model":{}}""", "json: cannot unmarshal object into Go struct field ChatRequest.model of type string")]
    [InlineData("""{"model":true}""", "json: cannot unmarshal bool into Go struct field ChatRequest.model of type string")]
    [InlineData("""[]""", "json: cannot unmarshal array into Go value of type api.ChatRequest")]
    [InlineData("\"x\"", "json: cannot unmarshal string into Go value of type api.ChatRequest")]
    [InlineData("""true""", "json: cannot unmarshal bool into Go value of type api.ChatRequest")]
    public void Inspect_WrongType_GosErrorMessage(string body, string fault) => Assert.Equal(fault, Inspect(body).Fault);

    [Theory]
    [InlineData("{]", "invalid character ']' looking for beginning of object key string")]
    [InlineData("{a:1}", "invalid character 'a' looking for beginning of object key string")]
    [InlineData("""{'model':"x"}""", "invalid character '\\'' looking for beginning of object key string")]
    [InlineData("""{"a":1,}""", "invalid character '}' looking for beginning of object key string")]
    [InlineData("""{"a" 1}""", "invalid character '1' after object key")]
    [InlineData("""{"a":1 "b":2}""", "invalid character '\"' after object key:value pair")]
    [InlineData("""{"a":}""", "invalid character '}' looking for beginning of value")]
    [InlineData("""{"a":hello}""", "invalid character 'h' looking for beginning of value")]
    [InlineData("""{"a":[1,]}""", "invalid character ']' looking for beginning of value")]
    [InlineData("""{"a":[1 2]}""", "invalid character '2' after array element")]
    [InlineData("""{"a":{"b" 5}}""", "invalid character '5' after object key")]
    [InlineData("""{"a":[{"b":1,}]}""", "invalid character '}' looking for beginning of object key string")]
    [InlineData("{\"a\":\"line\nbreak\"}", "invalid character '\\n' in string literal")]
    [InlineData("{\"a\":\"\u0001\"}", "invalid character '\\x01' in string literal")]
    [InlineData("""{"a":"\x"}""", "invalid character 'x' in string escape code")]
    [InlineData("""{"a":"\u12g4"}""", "invalid character 'g' in \\u hexadecimal character escape")]
    [InlineData("""{"a":tru3}""", "invalid character '3' in literal true (expecting 'e')")]
    [InlineData("""{"a":fals }""", "invalid character ' ' in literal false (expecting 'e')")]
    [InlineData("""{"a":nil}""", "invalid character 'i' in literal null (expecting 'u')")]
    [InlineData("""{"a":01}""", "invalid character '1' after object key:value pair")]
    [InlineData("""{"a":-x}""", "invalid character 'x' in numeric literal")]
    [InlineData("""{"a":1.x}""", "invalid character 'x' after decimal point in numeric literal")]
    [InlineData("""{"a":1ex}""", "invalid character 'x' in exponent of numeric literal")]
    [InlineData("""{"a":.5}""", "invalid character '.' looking for beginning of value")]
    [InlineData("""{"a":NaN}""", "invalid character 'N' looking for beginning of value")]
    [InlineData("""model=tiny""", "invalid character 'm' looking for beginning of value")]
    [InlineData("\uFEFF{}", "invalid character 'ï' looking for beginning of value")]
    [InlineData("""{"a":1} // fine""", null)]
    [InlineData("""{/* no */}""", "invalid character '/' looking for beginning of object key string")]
    public void Inspect_Malformed_GosErrorMessage(string body, string? fault)
    {
        Assert.Equal(fault, Inspect(body).Fault);
        var bytes = Encoding.UTF8.GetBytes(body);
        Assert.Equal(fault, Inspect(Segments.Of([.. bytes.Chunk(1)])).Fault);
    }

    [Theory]
    [InlineData("/api/chat", "", "missing request body")] // 04-err-chat-empty-body
    [InlineData("/api/chat", " \r\n\t", "missing request body")]
    [InlineData("/v1/chat/completions", "", "EOF")]
    [InlineData("/api/embed", "{", "unexpected EOF")] // 04-err-embed-bad-json
    [InlineData("/api/generate", """{"model":"tiny",""", "unexpected EOF")] // 04-err-generate-bad-json
    public void Inspect_EmptyOrCut_AsRecorded(string path, string body, string fault) => Assert.Equal(fault, Inspect(body, path).Fault);

    [Fact]
    public void Inspect_CutAnywhere_UnexpectedEof()
    {
        var bytes = Encoding.UTF8.GetBytes(
            """{"model":"t\u0069ny","stream":false,"messages":[{"role":"user","content":"é \"x\" 😀"}],"options":{"seed":-1.5e3,"stop":[null,true,false]}}""");
        for (var length = 1; length < bytes.Length; length++)
        {
            Assert.Equal("unexpected EOF", Inspect(new ReadOnlySequence<byte>(bytes[..length])).Fault);
            Assert.Equal("unexpected EOF", Inspect(Segments.Of(bytes[..(length / 2)], bytes[(length / 2)..length])).Fault);
        }
    }

    [Theory]
    [InlineData("[", "]", 9_999, null)] // the enclosing object makes it 10,000
    [InlineData("[", "]", 10_000, "invalid character '[' exceeded max depth")]
    [InlineData("{\"a\":", "}", 9_999, null)]
    [InlineData("{\"a\":", "}", 10_000, "invalid character '{' exceeded max depth")]
    [InlineData("[", "]", 200_000, "invalid character '[' exceeded max depth")]
    public void Inspect_Depth_LimitedAsInGo(string open, string close, int depth, string? fault)
    {
        var nested = string.Concat(Enumerable.Repeat(open, depth)) + "1" + string.Concat(Enumerable.Repeat(close, depth));
        Assert.Equal(fault, Inspect($$"""{"model":"tiny","x":{{nested}}}""").Fault);
        Assert.Equal(fault, Inspect($$"""{"model":"tiny","messages":{{nested}}}""").Fault);
    }

    [Theory]
    [InlineData("/api/chat", """{"MODEL":"t\u0069ny","Stream":false,"Messages":[{"Role":"system","content":"Be é"},{"ROLE":"user","content":"hi"},{"role":"assistant"}],"system":"s"}""")]
    [InlineData("/api/create", """{"Model":"x","FILES":{"a":"sha256:1"},"adapters":{"b":"sha256:2"}}""")]
    [InlineData("/api/copy", """{"SOURCE":"from","destination":"to"}""")]
    [InlineData("/v1/messages", """{"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":"hi"}],"model":"m","stream":true}""")]
    [InlineData("/v1/messages", """{"messages":[{"content":[{"type":"im\u0061ge","source":{"data":"AAAA"}},{"type":"text"}],"role":"user"}],"MAX_tokens":12}""")]
    [InlineData("/api/chat", """{"keep_alive":"1\u006d30s","options":{"num_predict":7,"num_ctx":4096},"messages":[{"images":["AAAA","BB"],"role":"user"}]}""")]
    [InlineData("/v1/responses", """{"max_output_tokens":99,"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:x"}]}]}""")]
    public void Inspect_SplitAnywhere_SameFacts(string path, string body)
    {
        var bytes = Encoding.UTF8.GetBytes(body);
        var whole = Inspect(new ReadOnlySequence<byte>(bytes), path);
        Assert.Null(whole.Fault);
        for (var at = 0; at <= bytes.Length; at++)
            AssertSame(whole, Inspect(Segments.Of(bytes[..at], bytes[at..]), path));
        Prop.ForAll(Gen.Choose(1, 9).ToArbitrary(), Gen.Choose(0, bytes.Length).ToArbitrary(), (size, at) =>
            AssertSame(whole, Inspect(Segments.Of([.. bytes[..at].Chunk(size), [], .. bytes[at..].Chunk(size)]), path))).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true));
    }

    [Fact]
    public void Inspect_AnyBytes_NeverThrows() => Prop.ForAll(
        ArbMap.Default.ArbFor<byte[]>(), bytes => { Inspect(new ReadOnlySequence<byte>([(byte)'{', (byte)'"', .. bytes])); }).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true));

    [Theory]
    [InlineData("/api/chat", """{"options":{"num_predict":7,"num_ctx":4096}}""", 7L, "options.num_predict", 4096L)]
    [InlineData("/api/chat", """{"OPTIONS":{"num_predict":7e3}}""", 7000L, "options.num_predict", null)]
    [InlineData("/api/chat", """{"options":{"NUM_PREDICT":7,"Num_Ctx":1}}""", null, null, null)] // keys of a map are case-sensitive
    [InlineData("/api/chat", """{"options":{"num_predict":7,"num_predict":8}}""", 8L, "options.num_predict", null)]
    [InlineData("/api/chat", """{"options":{"num_predict":7},"options":{"num_ctx":1}}""", 7L, "options.num_predict", 1L)]
    [InlineData("/api/chat", """{"options":{"num_predict":7},"options":null}""", null, null, null)]
    [InlineData("/api/chat", """{"options":{"num_predict":-1}}""", -1L, "options.num_predict", null)]
    [InlineData("/api/chat", """{"options":{"num_predict":"many","num_ctx":[1]}}""", null, null, null)]
    [InlineData("/api/chat", """{"options":[1],"max_tokens":5,"num_predict":6}""", null, null, null)]
    [InlineData("/api/embed", """{"input":"x","options":{"num_ctx":99}}""", null, null, 99L)]
    [InlineData("/api/create", """{"options":{"num_ctx":99}}""", null, null, null)]
    [InlineData("/v1/chat/completions", """{"max_tokens":5,"options":{"num_predict":9}}""", 5L, "max_tokens", null)]
    [InlineData("/v1/chat/completions", """{"max_tokens":5,"max_completion_tokens":6}""", 6L, "max_completion_tokens", null)]
    [InlineData("/v1/chat/completions", """{"max_tokens":null}""", null, null, null)]
    [InlineData("/v1/completions", """{"max_tokens":1e400}""", long.MaxValue, "max_tokens", null)]
    [InlineData("/v1/responses", """{"max_output_tokens":6}""", 6L, "max_output_tokens", null)]
    [InlineData("/v1/messages", """{"max_tokens":6,"max_output_tokens":9}""", 6L, "max_tokens", null)]
    public void Inspect_LengthAndContext_AsInServer(string path, string body, long? output, string? field, long? context)
    {
        var demands = Inspect(body, path).Demands;
        Assert.Equal((output, field, context), (demands.Output, demands.OutputField, demands.Context));
    }

    [Theory]
    [InlineData("/api/generate", """{"prompt":"x","images":["AAAA","BBBB"]}""", 2, 15)]
    [InlineData("/api/generate", """{"images":null}""", 0, 0)]
    [InlineData("/api/chat", """{"messages":[{"role":"user","images":["AAAA"]},{"role":"user","Images":["A","B"]}]}""", 3, 17)]
    [InlineData("/v1/chat/completions", """{"messages":[{"content":[{"type":"text","text":"t"},{"type":"image_url","image_url":{"url":"u"}}]}]}""", 1, 44)]
    [InlineData("/v1/chat/completions", """{"messages":[{"content":[{"image_url":{},"type":"image_url"},5,[{}],null]}]}""", 1, 35)]
    [InlineData("/v1/messages", """{"messages":[{"content":[{"type":"tool_result","content":[{"type":"image"}]}]}]}""", 1, 16)]
    [InlineData("/v1/messages", """{"messages":[{"content":"type image"}]}""", 0, 0)]
    public void Inspect_Images_Counted(string path, string body, int count, long bytes)
    {
        var facts = Inspect(body, path);
        Assert.Null(facts.Fault);
        Assert.Equal((count, bytes), (facts.Demands.Images, facts.Demands.ImageBytes));
    }

    [Theory]
    [InlineData("\"5m\"", 300.0)]
    [InlineData("\"1h30m\"", 5400.0)]
    [InlineData("\"1.5s\"", 1.5)]
    [InlineData("\"1\\u0068\"", 3600.0)]
    [InlineData("\"0\"", 0.0)]
    [InlineData("0", 0.0)]
    [InlineData("90", 90.0)]
    [InlineData("-1", double.PositiveInfinity)]
    [InlineData("\"-1m\"", double.PositiveInfinity)]
    [InlineData("1e300", double.PositiveInfinity)]
    [InlineData("\"999999999999h\"", double.PositiveInfinity)]
    [InlineData("\"5\"", null)] // a server refuses this value
    [InlineData("\"soon\"", null)]
    [InlineData("\"\\ud800\"", null)]
    [InlineData("null", null)]
    public void Inspect_KeepAlive_AsInServer(string value, double? seconds)
    {
        var facts = Inspect($$"""{"keep_alive":{{value}}}""");
        Assert.Null(facts.Fault);
        Assert.Equal(seconds, facts.Demands.KeepAlive is { } time ? time == TimeSpan.MaxValue ? double.PositiveInfinity : time.TotalSeconds : null);
    }

    [Fact]
    public void Inspect_KeepAliveOfManyDigits_Unlimited() =>
        Assert.Equal(TimeSpan.MaxValue, Inspect($$"""{"keep_alive":"{{new string('0', 500)}}1h"}""").Demands.KeepAlive);

    private static bool AssertSame(in RequestFacts expected, in RequestFacts actual)
    {
        Assert.Equal((expected.Model, expected.Stream, expected.Affinity, expected.Fault), (actual.Model, actual.Stream, actual.Affinity, actual.Fault));
        Assert.Equal((expected.ModelStart, expected.ModelEnd, expected.IsPlain), (actual.ModelStart, actual.ModelEnd, actual.IsPlain));
        Assert.Equal(expected.Demands, actual.Demands);
        Assert.Equal(expected.Digests ?? [], actual.Digests ?? []);
        return true;
    }

    private static RequestFacts Inspect(string body, string path = "/api/chat") => Inspect(new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(body)), path);

    private static RequestFacts Inspect(in ReadOnlySequence<byte> body, string path = "/api/chat") =>
        RequestInspector.Inspect(body, OperationTable.Find(path, out _)!);
}
