using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;

namespace OllamaBridge.Gateway.Tests.Forwarding;

/// <summary>Completions on servers with OpenAI's API, which resume a prompt that ends with the response so far.</summary>
public sealed class StreamResumerTests : IAsyncDisposable
{
    private const string Path = "/v1/completions";
    private readonly ForwardingHarness _harness = new(
        new FleetBuilder().WithOpenAI("i", "a").WithOpenAI("j", "a"), ("Continuation:MaxContinuations", "2"));

    public ValueTask DisposeAsync() => _harness.DisposeAsync();

    [Fact]
    public async Task Resume_OtherInstanceContinues_ClientGetsOneResponse()
    {
        _harness.Instances.Script("i", Broken("Hel")).Script("j", Complete("lo"));
        var (call, context, whole) = await RunAsync();

        Assert.Same(_harness.Builder["j"], whole!.Lease.Instance);
        Assert.Equal("Hello", Text(context));
        Assert.EndsWith("data: [DONE]\n\n", ForwardingHarness.Sent(context), StringComparison.Ordinal);
        Assert.Equal("i j", _harness.Instances.Order);
        Assert.Equal("Why?Hel", JsonNode.Parse(_harness.Instances.Received[1].Body)!["prompt"]!.GetValue<string>());
        Assert.Equal([Interruption.Reset], call.Response.Interruptions!);
        Assert.Null(call.Result.Outcome);
    }

    [Fact]
    public async Task Resume_SecondInstanceBreaksToo_FirstCompletes()
    {
        _harness.Instances.Script("i", Broken("He"), Complete("o")).Script("j", Broken("ll"));
        var (call, context, whole) = await RunAsync();
        Assert.Same(_harness.Builder["i"], whole!.Lease.Instance);
        Assert.Equal("Hello", Text(context));
        Assert.Equal("i j i", _harness.Instances.Order);
        Assert.Equal(2, call.Response.Interruptions!.Count);
    }

    [Fact]
    public async Task Resume_TooManyInterruptions_EndsWithError()
    {
        _harness.Instances.Script("i", Broken("x")).Script("j", Broken("x"));
        var (call, context, whole) = await RunAsync();
        Assert.Null(whole);
        AssertTruncated(call, context, "xxx");
        Assert.Equal(3, call.Result.Attempts);
    }

    [Fact]
    public async Task Resume_NoOtherInstanceAccepts_EndsWithError()
    {
        _harness.Instances.Script("i", Broken("Hel"), Responses.Refuse).Script("j", Responses.Whole("{}", 400));
        var (call, context, whole) = await RunAsync();
        Assert.Null(whole);
        AssertTruncated(call, context, "Hel");
        Assert.Contains((_harness.Builder["i"], InstanceFailure.Refused), _harness.Fleet.Failures);
    }

    [Fact]
    public async Task Resume_ClientDisabledResumption_EndsWithErrorWithoutAttempt()
    {
        _harness.Instances.Script("i", Broken("Hel")).Script("j", Complete("lo"));
        var (call, context, whole) = await RunAsync(c => c.Request.Headers[ResumptionOptions.Header] = ResumptionOptions.Off);
        Assert.Null(whole);
        AssertTruncated(call, context, "Hel");
        Assert.Equal("i", _harness.Instances.Order);
    }

    private static Func<ReceivedRequest, HttpResponseMessage> Broken(string text) => Responses.Events(breaks: true, Event(text, null));

    private static Func<ReceivedRequest, HttpResponseMessage> Complete(string text) =>
        Responses.Events(breaks: false, Event(text, null), Event("", "stop"), "data: [DONE]\n\n");

    private static string Event(string text, string? reason) => "data: " + new JsonObject
    {
        ["id"] = "c-1",
        ["object"] = "text_completion",
        ["created"] = 1,
        ["model"] = "a",
        ["choices"] = new JsonArray(new JsonObject { ["index"] = 0, ["text"] = text, ["finish_reason"] = reason }),
    }.ToJsonString() + "\n\n";

    /// <summary>The text of all events for the client.</summary>
    private static string Text(HttpContext context) => string.Concat(ForwardingHarness.Sent(context)
        .Split("\n\n", StringSplitOptions.RemoveEmptyEntries)
        .Select(e => e["data: ".Length..])
        .Where(e => e.StartsWith('{'))
        .Select(e => JsonNode.Parse(e)!["choices"]?[0]?["text"]?.GetValue<string>()));

    private static void AssertTruncated(ForwardedCall call, HttpContext context, string text)
    {
        Assert.Equal((RequestOutcome.Truncated, text), (call.Result.Outcome, Text(context)));
        Assert.Contains("the response so far is incomplete", ForwardingHarness.Sent(context), StringComparison.Ordinal);
        Assert.DoesNotContain("[DONE]", ForwardingHarness.Sent(context), StringComparison.Ordinal);
    }

    private async Task<(ForwardedCall Call, HttpContext Context, ForwardAttempt? Whole)> RunAsync(Action<HttpContext>? prepare = null)
    {
        var call = await _harness.CallAsync(Path, """{"model":"a","prompt":"Why?","stream":true}""", stream: true, target: Only("i"));
        var context = ForwardingHarness.Context(call, Path);
        prepare?.Invoke(context);
        var broken = await _harness.RunAsync(context, call);
        Assert.Equal("i", _harness.Instances.Order);
        call.Pinned = null;
        return (call, context, await _harness.Get<StreamResumer>().ResumeAsync(context, call, broken!));
    }

    private ForwardingTarget Only(string instance) => new(_harness.Builder[instance]);
}
