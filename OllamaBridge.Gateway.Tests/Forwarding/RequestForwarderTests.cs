using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Bodies;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;

namespace OllamaBridge.Gateway.Tests.Forwarding;

/// <summary>Whole requests, from the features of their stages to the last byte.</summary>
public sealed class RequestForwarderTests
{
    [Fact]
    public async Task Forward_Stages_CallFromTheirFeatures()
    {
        await using var harness = new ForwardingHarness(new FleetBuilder().With("i", loaded: "a"));
        harness.Instances.Script("i", Responses.Chat);
        var context = await ContextAsync(harness);
        context.Features.Set(new ConfinedTenantFeature(new Tenant { Id = "team" }));
        context.Features.Set(new RequestPriority(Priority.Batch, TimeSpan.FromSeconds(5), null));

        var result = await harness.Get<RequestForwarder>().ForwardAsync(context, ForwardingTarget.Any);

        var call = context.Features.Get<ForwardedCall>()!;
        Assert.Equal(("team", Priority.Batch), (call.Tenant.Id, call.Wait.Priority));
        Assert.Equal(result.StartedAt + (5 * harness.Clock.TimestampFrequency), call.Wait.Deadline);
        Assert.Same(context.Features.Get<RequestResult>(), result);
        Assert.Same(harness.Builder["i"], result.AnsweredBy);
        Assert.Equal((3, 2, null), (result.InputTokens, result.OutputTokens, result.Outcome));
        Assert.False(call.Wait.Charge.IsMade);
    }

    [Fact]
    public async Task Forward_StreamBreaksOff_ResumedByOtherInstance()
    {
        await using var harness = new ForwardingHarness(new FleetBuilder().WithOpenAI("i", "a").WithOpenAI("j", "a"));
        harness.Instances
            .Script("i", Responses.Events(breaks: true, Event("Hel")))
            .Script("j", Responses.Events(breaks: false, Event("lo"), "data: [DONE]\n\n"));
        var context = await ContextAsync(harness, "/v1/completions", """{"model":"a","prompt":"Why?","stream":true}""");

        var result = await harness.Get<RequestForwarder>().ForwardAsync(context, new ForwardingTarget(ChooseNext: null));

        Assert.Equal(2, harness.Instances.Received.Count);
        Assert.Equal(harness.Instances.Received[1].Instance, result.AnsweredBy!.Name);
        Assert.Null(result.Outcome);
        Assert.EndsWith("data: [DONE]\n\n", ForwardingHarness.Sent(context), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Forward_TwoInstancesFailAlike_NextRequestGetsOneAttempt()
    {
        await using var harness = new ForwardingHarness(new FleetBuilder().With("i", loaded: "a").With("j").With("k"));
        foreach (var name in (string[])["i", "j", "k"])
            harness.Instances.Script(name, Responses.Whole("""{"error":"x"}""", 500));
        var forwarder = harness.Get<RequestForwarder>();
        Assert.Equal(2, (await forwarder.ForwardAsync(await ContextAsync(harness), ForwardingTarget.Any)).Attempts);
        Assert.Equal(1, (await forwarder.ForwardAsync(await ContextAsync(harness), ForwardingTarget.Any)).Attempts);
        harness.Clock.Advance(RepeatedFailures.Lifetime);
        Assert.Equal(2, (await forwarder.ForwardAsync(await ContextAsync(harness), ForwardingTarget.Any)).Attempts);
        Assert.Empty(harness.Fleet.Failures);
    }

    [Fact]
    public async Task Forward_Target_OnlyItsInstanceGetsRequest()
    {
        await using var harness = new ForwardingHarness(new FleetBuilder().With("i", loaded: "a").With("j"));
        harness.Instances.Script("i", Responses.Chat).Script("j", Responses.Chat);
        var target = new ForwardingTarget(harness.Builder["j"]);
        await harness.Get<RequestForwarder>().ForwardAsync(await ContextAsync(harness), target);
        Assert.Equal("j", harness.Instances.Order);
    }

    private static string Event(string text) => "data: " + new JsonObject
    {
        ["id"] = "c-1",
        ["object"] = "text_completion",
        ["model"] = "a",
        ["choices"] = new JsonArray(new JsonObject { ["index"] = 0, ["text"] = text, ["finish_reason"] = null }),
    }.ToJsonString() + "\n\n";

    private static async Task<HttpContext> ContextAsync(ForwardingHarness harness, string path = "/api/chat", string body = """{"model":"a"}""")
    {
        var call = await harness.CallAsync(path, body, stream: true);
        var context = ForwardingHarness.Context(call, path);
        context.Features.Set<ForwardedCall>(null);
        context.Features.Set(new OperationFeature(call.Operation, call.Rest));
        context.Features.Set(new RequestBodyFeature(call.Facts, call.Body));
        context.Features.Set(call.Model);
        context.Features.Set(new RequestResult(harness.Clock.GetTimestamp()));
        return context;
    }
}
