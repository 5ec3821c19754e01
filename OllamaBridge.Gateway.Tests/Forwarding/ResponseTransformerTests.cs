using Microsoft.AspNetCore.Http;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;

namespace OllamaBridge.Gateway.Tests.Forwarding;

public sealed class ResponseTransformerTests : IAsyncDisposable
{
    private const string Whole = """{"model":"a","message":{"content":"Blue"},"done":true}""";
    private readonly ForwardingHarness _harness = new(new FleetBuilder().With("i", loaded: "a").With("j"));

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _harness.DisposeAsync();

    [Fact]
    public async Task TransformRequest_ClientsHeaders_OnlyThoseForInstances()
    {
        var context = ForwardingHarness.Context(await _harness.CallAsync());
        _harness.Attempt(context, "i");
        context.Request.Headers.Authorization = "Bearer secret";
        context.Request.Headers.Cookie = "a=b";
        context.Request.Headers.UserAgent = "test";
        using var request = new HttpRequestMessage();

        await _harness.Get<ResponseTransformer>().TransformRequestAsync(context, request, "http://i:11434", Token);

        Assert.Equal(["Accept-Encoding", "User-Agent"], request.Headers.NonValidated.Select(h => h.Key).Order());
        Assert.Equal("identity", request.Headers.AcceptEncoding.ToString());
        Assert.Null(request.RequestUri);
        Assert.Null(request.Headers.ExpectContinue);
    }

    [Fact]
    public async Task TransformRequest_Resumption_AddressOfPlan()
    {
        var context = ForwardingHarness.Context(await _harness.CallAsync());
        _harness.Attempt(context, "i", plan: new ResumptionPlan("/api/generate", default, _ => throw new InvalidOperationException()));
        using var request = new HttpRequestMessage();
        await _harness.Get<ResponseTransformer>().TransformRequestAsync(context, request, "http://i:11434", Token);
        Assert.Equal("http://i:11434/api/generate", request.RequestUri!.ToString());
    }

    [Fact]
    public async Task TransformRequest_Upload_WaitsForContinue()
    {
        var context = ForwardingHarness.Context(TestCalls.Create("/api/blobs/sha256:0"));
        _harness.Attempt(context, "i");
        using var request = new HttpRequestMessage { Content = new ByteArrayContent([1]) };
        await _harness.Get<ResponseTransformer>().TransformRequestAsync(context, request, "http://i:11434", Token);
        Assert.True(request.Headers.ExpectContinue);
    }

    [Fact]
    public async Task TransformResponse_Stream_HeadersOfStream()
    {
        var context = ForwardingHarness.Context(await _harness.CallAsync());
        var attempt = _harness.Attempt(context, "i");
        using var response = Responses.Chat(null!);
        response.Headers.TryAddWithoutValidation("Set-Cookie", "a=b");
        response.Headers.TryAddWithoutValidation("Date", "today");

        Assert.True(await TransformAsync(context, response));

        var headers = context.Response.Headers;
        Assert.Equal(("i", "no", "application/x-ndjson"), (headers[ResponseTransformer.InstanceHeader].ToString(), headers["X-Accel-Buffering"].ToString(), headers.ContentType.ToString()));
        Assert.Equal("today", headers.Date);
        Assert.False(headers.ContainsKey("Set-Cookie"));
        Assert.False(headers.ContainsKey(ResponseTransformer.ModelHeader));
        Assert.True(attempt.Result.IsDelivered);
        Assert.Equal(_harness.Clock.GetTimestamp(), attempt.Call.Result.AnsweredAt);
    }

    [Fact]
    public async Task TransformResponse_Whole_KeepsLength()
    {
        var context = ForwardingHarness.Context(await _harness.CallAsync(stream: false));
        _harness.Attempt(context, "i");
        using var response = Responses.Whole(Whole)(null!);
        Assert.True(await TransformAsync(context, response));
        Assert.Equal(Whole.Length, context.Response.ContentLength);
        Assert.False(context.Response.Headers.ContainsKey("X-Accel-Buffering"));
    }

    [Fact]
    public async Task TransformResponse_FallbackModel_NamesIt()
    {
        var call = await _harness.CallAsync();
        call.Model.Use(new ModelCandidate("b"));
        var context = ForwardingHarness.Context(call);
        _harness.Attempt(context, "i");
        using var response = Responses.Chat(null!);
        Assert.True(await TransformAsync(context, response));
        Assert.Equal("b", context.Response.Headers[ResponseTransformer.ModelHeader]);
    }

    [Theory]
    [InlineData(200, true)]
    [InlineData(400, false)] // the client gets an error, which does not complete the change
    public async Task TransformResponse_WholeResponse_CallsBeforeCompletion(int status, bool expected)
    {
        var calls = 0;
        var target = new ForwardingTarget(BeforeCompletion: _ =>
        {
            calls++;
            return Task.CompletedTask;
        });
        var context = ForwardingHarness.Context(await _harness.CallAsync("/api/copy", target: target));
        _harness.Attempt(context, "i");
        using var response = Responses.Whole("""{"error":"x"}""", status)(null!);
        Assert.True(await TransformAsync(context, response));
        Assert.Equal(expected ? 1 : 0, calls);
    }

    [Fact]
    public async Task TransformResponse_ErrorKeptForRetry_NothingForClient()
    {
        var context = ForwardingHarness.Context(await _harness.CallAsync());
        var attempt = _harness.Attempt(context, "i");
        using var response = Responses.Whole("""{"error":"x"}""", 500)(null!);
        Assert.False(await TransformAsync(context, response));
        Assert.Empty(context.Response.Headers);
        Assert.Equal((500, false, null), (attempt.Result.Status, attempt.Result.IsDelivered, attempt.Call.Result.AnsweredAt));
    }

    [Theory]
    [InlineData(200, true)]
    [InlineData(400, false)]
    public async Task TransformResponse_AfterFailureElsewhere_SuccessBlamesTheOtherInstance(int status, bool expected)
    {
        var context = ForwardingHarness.Context(await _harness.CallAsync(stream: false));
        var first = _harness.Attempt(context, "j");
        first.Faults.Add(first, InstanceFailure.ServerError);
        _harness.Attempt(context, "i", faults: first.Faults);
        using var response = Responses.Whole(status == 200 ? Whole : """{"error":"x"}""", status)(null!);
        Assert.True(await TransformAsync(context, response));
        Assert.Equal(expected ? [(_harness.Builder["j"], InstanceFailure.ServerError)] : [], _harness.Fleet.Failures);
    }

    [Fact]
    public async Task TransformResponse_NoResponse_Passes()
    {
        var context = ForwardingHarness.Context(await _harness.CallAsync());
        _harness.Attempt(context, "i");
        Assert.True(await _harness.Get<ResponseTransformer>().TransformResponseAsync(context, null, Token));
    }

    private ValueTask<bool> TransformAsync(HttpContext context, HttpResponseMessage response) =>
        _harness.Get<ResponseTransformer>().TransformResponseAsync(context, response, Token);
}
