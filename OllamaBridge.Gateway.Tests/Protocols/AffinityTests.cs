using System.Buffers;
using System.Text;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Tests.Protocols;

public class AffinityTests
{
    private const string User = """{"role":"user","content":"Why is the sky blue?"}""";
    private const string Answer = """{"role":"assistant","content":"Because."}""";
    private const string More = """{"role":"user","content":"And at night?"}""";
    private const string System = """{"role":"system","content":"Be brief."}""";

    [Theory]
    [InlineData("/api/chat", $$"""{"model":"m","messages":[{{User}}]}""", $$"""{"model":"m","messages":[{{User}},{{Answer}},{{More}}]}""")]
    [InlineData("/api/chat", $$"""{"messages":[{{System}},{{User}}]}""", $$"""{"stream":true,"messages":[{{System}},{{User}},{{Answer}},{{More}}],"options":{} }""")]
    [InlineData("/api/chat", $$"""{"messages":[{{User}}]}""", $$"""{"Messages":[ {{User}} , {{Answer}}]}""")]
    [InlineData("/v1/chat/completions", $$"""{"messages":[{{System}},{{User}}]}""", $$"""{"messages":[{{System}},{{User}},{{Answer}},{{More}}]}""")]
    [InlineData("/v1/messages", $$"""{"system":"s","messages":[{{User}}]}""", $$"""{"messages":[{{User}},{{Answer}},{{More}}],"system":"s"}""")]
    [InlineData("/v1/messages", $$"""{"system":[{"type":"text","text":"s"}],"messages":[{{User}}]}""", $$"""{"system":[{"type":"text","text":"s"}],"messages":[{{User}},{{Answer}}]}""")]
    [InlineData("/v1/responses", $$"""{"instructions":"i","input":[{{User}}]}""", $$"""{"instructions":"i","input":[{{User}},{{Answer}},{{More}}]}""")]
    public void Affinity_LaterTurn_Equal(string path, string first, string later)
    {
        Assert.NotEqual(0UL, Of(path, first));
        Assert.Equal(Of(path, first), Of(path, later));
    }

    [Theory]
    [InlineData("/api/chat", $$"""{"messages":[{{User}}]}""", false)]
    [InlineData("/api/chat", $$"""{"messages":[{{System}},{{User}}]}""", false)]
    [InlineData("/api/chat", $$"""{"messages":[{{System}},{{User}},{{Answer}},{{More}}]}""", true)]
    [InlineData("/v1/chat/completions", $$"""{"messages":[{{User}},{{Answer}},{{More}}]}""", true)]
    [InlineData("/v1/messages", $$"""{"system":[{"type":"text","text":"s"},{"type":"text","text":"t"}],"messages":[{{User}}]}""", false)]
    [InlineData("/v1/messages", $$"""{"messages":[{{User}},{{Answer}},{{More}}],"system":"s"}""", true)]
    [InlineData("/v1/responses", $$"""{"input":[{{User}},{{Answer}},{{More}}]}""", true)]
    [InlineData("/api/generate", """{"prompt":"a"}""", false)]
    public void IsLaterTurn_MessagesAfterFirstUserMessage_True(string path, string body, bool expected) =>
        Assert.Equal(expected, Read(path, body).IsLaterTurn);

    [Fact]
    public void Affinity_GrowingPrompt_EqualBeyondPrefix()
    {
        var beginning = new string('x', 300);
        Assert.Equal(Of("/api/generate", $$"""{"prompt":"{{beginning}}"}"""), Of("/api/generate", $$"""{"prompt":"{{beginning}} and more"}"""));
        Assert.NotEqual(Of("/api/generate", $$"""{"prompt":"{{beginning}}"}"""), Of("/api/generate", $$"""{"prompt":"y{{beginning}}"}"""));
    }

    [Theory]
    [InlineData("/api/chat", $$"""{"messages":[{{User}}]}""", $$"""{"messages":[{{More}}]}""")]
    [InlineData("/api/chat", $$"""{"messages":[{{System}},{{User}}]}""", $$"""{"messages":[{{System}},{{More}}]}""")]
    [InlineData("/api/chat", $$"""{"messages":[{{System}},{{User}}]}""", $$"""{"messages":[{{User}}]}""")]
    [InlineData("/api/generate", """{"prompt":"a"}""", """{"prompt":"b"}""")]
    [InlineData("/api/generate", """{"prompt":"a","system":"x"}""", """{"prompt":"a","system":"y"}""")]
    [InlineData("/v1/messages", $$"""{"system":"s","messages":[{{User}}]}""", $$"""{"system":"t","messages":[{{User}}]}""")]
    [InlineData("/v1/messages", $$"""{"system":"s","messages":[{{User}}]}""", $$"""{"system":"s","messages":[{{More}}]}""")]
    [InlineData("/v1/responses", """{"input":"a"}""", """{"input":"b"}""")]
    public void Affinity_OtherConversation_Different(string path, string one, string other) => Assert.NotEqual(Of(path, one), Of(path, other));

    [Theory]
    [InlineData("/api/chat", """{"model":"m"}""")]
    [InlineData("/api/chat", """{"model":"m","messages":[]}""")]
    [InlineData("/api/chat", """{"model":"m","messages":null}""")]
    [InlineData("/api/generate", """{"model":"m","prompt":""}""")]
    [InlineData("/api/generate", """{"model":"m","keep_alive":0}""")]
    [InlineData("/api/embed", """{"model":"m","input":"text"}""")]
    [InlineData("/api/show", """{"model":"m","system":"text"}""")]
    public void Affinity_NoConversation_None(string path, string body) => Assert.Equal(0UL, Of(path, body));

    [Fact]
    public void Affinity_NullNextToPrompt_AsIfAbsent() =>
        Assert.Equal(Of("/api/generate", """{"prompt":"a"}"""), Of("/api/generate", """{"prompt":"a","system":null}"""));

    private static ulong Of(string path, string body) => Read(path, body).Affinity;

    private static RequestFacts Read(string path, string body)
    {
        var facts = RequestInspector.Inspect(new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(body)), OperationTable.Find(path, out _)!);
        Assert.Null(facts.Fault);
        return facts;
    }
}
