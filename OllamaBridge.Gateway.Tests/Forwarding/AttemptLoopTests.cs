using Microsoft.AspNetCore.Http;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;

namespace OllamaBridge.Gateway.Tests.Forwarding;

/// <summary>The loop over attempts, with YARP's forwarder over scripted instances.</summary>
public sealed class AttemptLoopTests
{
    private const string Failed = """{"error":"runner stopped"}""";
    private const string TooLong = """{"error":"the input length exceeds the context length"}""";
    private const string Progress = """{"status":"pulling manifest"}""" + "\n";
    private const string Success = """{"status":"success"}""" + "\n";

    [Fact]
    public async Task Run_FirstInstanceResponds_ClientGetsItsStream()
    {
        await using var harness = new ForwardingHarness(new FleetBuilder().With("i", loaded: "a").With("j"));
        harness.Instances.Script("i", Responses.Chat);
        var call = await harness.CallAsync();
        var context = ForwardingHarness.Context(call);

        Assert.Null(await harness.RunAsync(context, call));

        Assert.Equal(Responses.ChatLine + Responses.ChatLine + Responses.ChatEnd, ForwardingHarness.Sent(context));
        Assert.Equal("""i {"model":"a"}""", string.Join(',', harness.Instances.Received.Select(r => $"{r.Instance} {r.Body}")));
        Assert.Same(harness.Builder["i"], call.Result.AnsweredBy);
        Assert.Equal((1, 3, 2, null), (call.Result.Attempts, call.Result.InputTokens, call.Result.OutputTokens, call.Result.Outcome));
        Assert.Equal(0, harness.Builder["i"].SlotsUsed);
    }

    [Theory]
    [InlineData("refuses")]
    [InlineData("breaks")]
    [InlineData("error")]
    [InlineData("empty")]
    [InlineData("error line")]
    public async Task Run_FirstInstanceFails_SecondResponds(string failure)
    {
        await using var harness = new ForwardingHarness(new FleetBuilder().With("i", loaded: "a").With("j"));
        harness.Instances.Script("j", Responses.Chat).Script("i", failure switch
        {
            "breaks" => Responses.Break,
            "error" => Responses.Whole(Failed, 500),
            "empty" => Responses.Stream(),
            "error line" => Responses.Stream(Failed + "\n"),
            _ => Responses.Refuse,
        });
        var call = await harness.CallAsync();
        var context = ForwardingHarness.Context(call);

        Assert.Null(await harness.RunAsync(context, call));

        Assert.Equal("i j", harness.Instances.Order);
        Assert.Equal((200, Responses.ChatLine + Responses.ChatLine + Responses.ChatEnd), (context.Response.StatusCode, ForwardingHarness.Sent(context)));
        Assert.Equal("j", context.Response.Headers[ResponseTransformer.InstanceHeader]);
        Assert.Same(harness.Builder["j"], call.Result.AnsweredBy);
    }

    [Fact]
    public async Task Run_EveryInstanceFailsDifferently_GivesUpAfterMaxAttempts()
    {
        await using var harness = new ForwardingHarness(
            new FleetBuilder().With("i", loaded: "a").With("j").With("k").With("l"), ("Forwarding:MaxAttempts", "3"));
        foreach (var (name, status) in (ReadOnlySpan<(string, int)>)[("i", 500), ("j", 502), ("k", 504), ("l", 520)])
            harness.Instances.Script(name, Responses.Whole($$"""{"error":"{{name}}"}""", status));
        var call = await harness.CallAsync();
        var context = ForwardingHarness.Context(call);

        Assert.Null(await harness.RunAsync(context, call));

        Assert.Equal((3, 3), (call.Result.Attempts, harness.Instances.Received.Count));
        var last = harness.Instances.Received[^1].Instance;
        Assert.Equal($$"""{"error":"{{last}}"}""", ForwardingHarness.Sent(context));
    }

    [Fact]
    public async Task Run_TwoInstancesFailAlike_ThirdIsSpared()
    {
        await using var harness = new ForwardingHarness(new FleetBuilder().With("i", loaded: "a").With("j").With("k"));
        foreach (var name in (string[])["i", "j", "k"])
            harness.Instances.Script(name, Responses.Whole(Failed, 500));
        var call = await harness.CallAsync();
        var context = ForwardingHarness.Context(call);

        Assert.Null(await harness.RunAsync(context, call));

        Assert.Equal(2, harness.Instances.Received.Count);
        Assert.Equal((500, Failed), (context.Response.StatusCode, ForwardingHarness.Sent(context)));
    }

    [Fact]
    public async Task Run_RequestRejected_ClientGetsRejectionOfFirstInstance()
    {
        await using var harness = new ForwardingHarness(new FleetBuilder().With("i", loaded: "a").With("j"));
        harness.Instances.Script("i", Responses.Whole("""{"error":"bad"}""", 400)).Script("j", Responses.Chat);
        var call = await harness.CallAsync();
        var context = ForwardingHarness.Context(call);

        Assert.Null(await harness.RunAsync(context, call));

        Assert.Equal("i", harness.Instances.Order);
        Assert.Equal((400, """{"error":"bad"}"""), (context.Response.StatusCode, ForwardingHarness.Sent(context)));
    }

    [Fact]
    public async Task Run_NoInstanceHasModel_RefusedWithoutAttempt()
    {
        await using var harness = new ForwardingHarness(new FleetBuilder().With("i", "b"));
        var call = await harness.CallAsync();
        var context = ForwardingHarness.Context(call);

        Assert.Null(await harness.RunAsync(context, call));

        Assert.Equal((404, 0), (context.Response.StatusCode, call.Result.Attempts));
        Assert.Contains("not found", ForwardingHarness.Sent(context), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_ClientAbortsItsBody_400WithoutSecondAttempt()
    {
        await using var harness = new ForwardingHarness(new FleetBuilder().With("i").With("j"));
        harness.Instances.Script("i", Responses.Whole("")).Script("j", Responses.Whole(""));
        var call = TestCalls.Create("/api/blobs/sha256:0");
        var context = ForwardingHarness.Context(call, "/api/blobs/sha256:0");
        context.Request.Body = new Testing.Streams.PiecesStream([new byte[8]], new BadHttpRequestException("unexpected end", 400));
        context.Request.ContentLength = 100;

        Assert.Null(await harness.RunAsync(context, call));

        Assert.Equal((400, 1), (context.Response.StatusCode, call.Result.Attempts));
    }

    [Fact]
    public async Task Run_OtherBridgeFull_WaitsAndIsServedThere()
    {
        await using var harness = new ForwardingHarness(new FleetBuilder().With("i", loaded: "a"));
        harness.Instances.Script(
            "i", Responses.Whole(Failed, 503, headers: [(RequestPriority.PositionHeader, "5"), ("Retry-After", "2")]), Responses.Chat);
        var call = await harness.CallAsync();
        var context = ForwardingHarness.Context(call);

        var run = harness.RunAsync(context, call);
        await Poll.UntilAsync(() => harness.Get<RequestQueue>().Count == 1);
        Assert.Equal("i", harness.Instances.Order);
        await Eventually.BecomesAsync(
            () =>
            {
                harness.Clock.Advance(TimeSpan.FromMilliseconds(100));
                return run.IsCompleted;
            },
            TestTimeouts.Guard);

        Assert.Null(await run);
        Assert.Equal("i i", harness.Instances.Order);
        Assert.EndsWith(Responses.ChatEnd, ForwardingHarness.Sent(context), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("fails")]
    [InlineData("too long")]
    [InlineData("unavailable")]
    public async Task Run_ModelCannotServe_FallbackDoes(string cause)
    {
        await using var harness = new ForwardingHarness(new FleetBuilder().With("i", cause == "unavailable" ? "c" : "a").With("j", "b"));
        harness.Instances
            .Script("i", cause == "too long" ? Responses.Whole(TooLong, 400) : Responses.Whole(Failed, 500))
            .Script("j", Responses.Chat);
        var call = await harness.CallAsync();
        call.Model.Alternatives = new ModelAlternatives([new ModelCandidate("a"), new ModelCandidate("b")]);
        var context = ForwardingHarness.Context(call);

        Assert.Null(await harness.RunAsync(context, call));

        Assert.Equal(cause == "unavailable" ? "j" : "i j", harness.Instances.Order);
        Assert.Equal(("b:latest", 200), (call.Model.Key, context.Response.StatusCode));
        Assert.Equal("b", context.Response.Headers[ResponseTransformer.ModelHeader]);
        Assert.Same(harness.Builder["j"], call.Result.AnsweredBy);
    }

    [Fact]
    public async Task Run_FallbackFailsToo_ClientGetsErrorOfRequestedModel()
    {
        await using var harness = new ForwardingHarness(new FleetBuilder().With("i").With("j", "b"));
        harness.Instances.Script("i", Responses.Whole(Failed, 500)).Script("j", Responses.Whole("""{"error":"other"}""", 502));
        var call = await harness.CallAsync();
        call.Model.Alternatives = new ModelAlternatives([new ModelCandidate("a"), new ModelCandidate("b")]);
        var context = ForwardingHarness.Context(call);

        Assert.Null(await harness.RunAsync(context, call));

        Assert.Equal("i j", harness.Instances.Order);
        Assert.Equal((500, Failed), (context.Response.StatusCode, ForwardingHarness.Sent(context)));
    }

    [Fact]
    public async Task Run_StreamBreaksOff_ReturnsInterruptedAttempt()
    {
        await using var harness = new ForwardingHarness(new FleetBuilder().With("i", loaded: "a").With("j"));
        harness.Instances.Script("i", Responses.BrokenStream(Responses.ChatLine));
        var call = await harness.CallAsync();
        var context = ForwardingHarness.Context(call);

        var broken = await harness.RunAsync(context, call);

        Assert.Equal(Interruption.Reset, broken!.Interrupted);
        Assert.Equal(("i", Responses.ChatLine), (harness.Instances.Order, ForwardingHarness.Sent(context)));
        Assert.Null(call.Result.Outcome);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Run_PullBreaksOff_RepeatedOnNextInstanceIfAny(bool hasNext)
    {
        await using var harness = new ForwardingHarness(new FleetBuilder().With("i").With("j"));
        harness.Instances.Script("i", Responses.BrokenStream(Progress)).Script("j", Responses.Stream(Progress, Success));
        var (i, j) = (harness.Builder["i"], harness.Builder["j"]);
        var call = await harness.CallAsync("/api/pull", target: new ForwardingTarget(i, _ => hasNext ? j : null), model: "");
        var context = ForwardingHarness.Context(call, "/api/pull");
        using (RestartableResponse.For(context))
            Assert.Null(await harness.RunAsync(context, call));

        Assert.Equal(hasNext ? "i j" : "i", harness.Instances.Order);
        if (hasNext)
            Assert.Equal(Progress + Progress + Success, ForwardingHarness.Sent(context));
        else
            Assert.StartsWith(Progress + """{"error":""", ForwardingHarness.Sent(context), StringComparison.Ordinal);
        Assert.Equal(hasNext ? null : RequestOutcome.Truncated, call.Result.Outcome);
        Assert.Same(hasNext ? j : i, call.Result.AnsweredBy);
    }

    [Fact]
    public async Task Run_ClientGone_CancelledWithoutSecondAttempt()
    {
        await using var harness = new ForwardingHarness(new FleetBuilder().With("i", loaded: "a").With("j"));
        using var gone = new CancellationTokenSource();
        harness.Instances.Script("i", request =>
        {
            gone.Cancel();
            return Responses.Break(request);
        });
        var call = await harness.CallAsync();
        var context = ForwardingHarness.Context(call);
        context.RequestAborted = gone.Token;

        Assert.Null(await harness.RunAsync(context, call));

        Assert.Equal("i", harness.Instances.Order);
        Assert.Equal(RequestOutcome.Cancelled, call.Result.Outcome);
    }
}
