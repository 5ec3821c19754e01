using System.Text;
using Microsoft.AspNetCore.Http;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;
using Reply = System.Func<OllamaBridge.Testing.Forwarding.ReceivedRequest, System.Net.Http.HttpResponseMessage>;

namespace OllamaBridge.Gateway.Tests.Forwarding;

public sealed class ResponseOpenerTests : IAsyncDisposable
{
    private const string Error = """{"error":"runner stopped"}""";
    private const string WholeChat = """{"model":"a","message":{"content":"Blue"},"done":true,"prompt_eval_count":3,"eval_count":2,"eval_duration":2000000}""";
    private readonly ForwardingHarness _harness = new(
        new FleetBuilder().With("i", loaded: "a").With("j"), ("Forwarding:RetryBurst", "1"), ("Forwarding:MaxHeldAnswer", "1024"));

    public ValueTask DisposeAsync() => _harness.DisposeAsync();

    [Fact]
    public async Task Open_Stream_ResumableWithTranscript()
    {
        var (attempt, opened) = await OpenAsync(Responses.Chat);
        Assert.True(opened!.Value is { IsStream: true, IsRefused: false, Stream: PassthroughStream });
        Assert.NotNull(attempt.Call.Response.Transcript);
        Assert.True(attempt.HasBegun);
        Assert.Null(attempt.Result.Failure);
    }

    [Fact]
    public async Task Open_StreamWithoutBufferedBody_RelayedWithWatcher()
    {
        var call = TestCalls.Create(model: "a:latest");
        var (attempt, opened) = await OpenAsync(Responses.Chat, call: call);
        Assert.True(opened!.Value is { IsStream: true, Stream: RelayStream });
        Assert.NotNull(attempt.Watcher);
        Assert.Null(call.Response.Transcript);
    }

    [Fact]
    public async Task Open_PullThatMayBeRepeated_ProgressStream()
    {
        var call = await _harness.CallAsync("/api/pull", target: new ForwardingTarget(null, _ => null));
        var (_, opened) = await OpenAsync(Responses.Stream("{\"status\":\"success\"}\n"), call: call);
        Assert.IsType<ProgressStream>(opened!.Value.Stream);
    }

    [Fact]
    public async Task Open_WholeResponse_ReadsUsage()
    {
        var (attempt, opened) = await OpenAsync(Responses.Whole(WholeChat), call: await _harness.CallAsync(stream: false));
        Assert.True(opened!.Value is { IsStream: false, IsRefused: false });
        Assert.Equal((3, 2, 2_000_000), (attempt.Call.Result.InputTokens, attempt.Call.Result.OutputTokens, attempt.Result.DecodeNanoseconds));
        Assert.Equal(WholeChat, await ReadAsync(opened.Value.Stream));
    }

    [Theory]
    [InlineData("", InstanceFailure.Broken)] // a model's response is never empty
    [InlineData("{\"mess", InstanceFailure.BridgeError)]
    public async Task Open_WholeResponseUnusable_Failure(string body, object failure) =>
        AssertFailed(await OpenAsync(Responses.Whole(body), call: await _harness.CallAsync(stream: false)), (InstanceFailure)failure);

    [Fact]
    public async Task Open_WholeResponseLongerThanHeld_RestIsRelayed()
    {
        var body = $$"""{"model":"a","message":{"content":"{{new string('x', 9000)}}"},"done":true}""";
        var (_, opened) = await OpenAsync(Responses.Whole(body), call: await _harness.CallAsync(stream: false));
        Assert.Equal(body, await ReadAsync(opened!.Value.Stream));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Open_NothingBeforeEnd_Broken(bool breaks) =>
        AssertFailed(await OpenAsync(breaks ? Responses.BrokenStream() : Responses.Stream()), InstanceFailure.Broken);

    [Fact]
    public async Task Open_ErrorStatus_KeptForRetry()
    {
        var (attempt, opened) = await OpenAsync(Responses.Whole(Error, 500, "application/json; charset=utf-8"));
        AssertFailed((attempt, opened), InstanceFailure.ServerError);
        Assert.Equal((500, "application/json; charset=utf-8", Error), Retained(attempt));
        Assert.True(attempt.TakeRetry());
        Assert.False(_harness.Get<RetryBudget>().TryWithdraw());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Open_ErrorStatusWithoutRetry_ClientGetsIt(bool isBudgetEmpty)
    {
        if (isBudgetEmpty)
            Assert.True(_harness.Get<RetryBudget>().TryWithdraw());
        var (attempt, opened) = await OpenAsync(Responses.Whole(Error, 500), mayRetry: isBudgetEmpty);
        Assert.True(opened!.Value is { IsRefused: true, IsStream: false });
        Assert.Equal((InstanceFailure.ServerError, null), (attempt.Result.Failure, attempt.Result.Retained));
        Assert.Equal(Error, await ReadAsync(opened.Value.Stream));
    }

    [Fact]
    public async Task Open_RequestRejected_ClientGetsItDespiteRetries()
    {
        var (attempt, opened) = await OpenAsync(Responses.Whole("""{"error":"bad"}""", 400));
        Assert.True(opened!.Value.IsRefused);
        Assert.True(attempt.Result.IsRejected);
        Assert.True(_harness.Get<RetryBudget>().TryWithdraw());
    }

    [Theory]
    [InlineData(404, 502)]
    [InlineData(530, 530)]
    [InlineData(429, 429)]
    public async Task Open_HtmlPageOfProxy_RetainsErrorInClientsProtocol(int status, int shown)
    {
        var (attempt, opened) = await OpenAsync(Responses.Whole("<html>Just a moment</html>", status, "text/html"));
        Assert.Null(opened);
        var (retained, type, body) = Retained(attempt);
        Assert.Equal((shown, "application/json"), (retained, type));
        Assert.Contains($"answered {status} with an HTML page", body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Open_PromptTooLong_KeptOnlyWithFallback(bool hasFallback)
    {
        var call = await _harness.CallAsync();
        if (hasFallback)
            call.Model.Alternatives = new ModelAlternatives([new ModelCandidate("a"), new ModelCandidate("b")]);
        var (attempt, opened) = await OpenAsync(Responses.Whole("""{"error":"exceeds the context length"}""", 400), call: call);
        Assert.Equal((hasFallback, !hasFallback, hasFallback), (attempt.Result.IsTooLong, opened is not null, attempt.Result.Retained is not null));
        Assert.Null(attempt.Result.Failure);
    }

    [Theory]
    [InlineData(503, "7", 7)]
    [InlineData(429, null, 0)]
    [InlineData(500, "7", null)]
    public async Task Open_Busy_ReadsRetryAfter(int status, string? retryAfter, int? seconds)
    {
        var (attempt, _) = await OpenAsync(Responses.Whole(Error, status, headers: retryAfter is null ? [] : [("Retry-After", retryAfter)]));
        Assert.Equal(seconds is { } s ? TimeSpan.FromSeconds(s) : null, attempt.Result.BusyFor);
        Assert.False(attempt.Result.WaitsForRoom);
    }

    [Fact]
    public async Task Open_OtherBridgeFull_WaitsForRoomWithoutRetry()
    {
        var (attempt, opened) = await OpenAsync(Responses.Whole(Error, 503, headers: [(RequestPriority.PositionHeader, "3")]));
        Assert.Null(opened);
        Assert.True(attempt.Result.WaitsForRoom);
        Assert.True(_harness.Get<RetryBudget>().TryWithdraw());
    }

    [Theory]
    [InlineData(Error, InstanceFailure.ServerError)]
    [InlineData("""{"error":"model requires more system memory (9.5 GiB) than is available (2.7 GiB)"}""", InstanceFailure.OutOfMemory)]
    public async Task Open_ErrorAsFirstLine_KeptAsErrorResponse(string line, object failure)
    {
        var (attempt, opened) = await OpenAsync(Responses.Stream(line + "\n"));
        AssertFailed((attempt, opened), (InstanceFailure)failure);
        Assert.Equal((500, "application/json; charset=utf-8", line), Retained(attempt));
    }

    [Fact]
    public async Task Open_ContentEncodingUnknown_BridgeError() => AssertFailed(
        await OpenAsync(request =>
        {
            var response = Responses.Chat(request);
            response.Content.Headers.ContentEncoding.Add("compress");
            return response;
        }),
        InstanceFailure.BridgeError);

    [Fact]
    public async Task Open_GivenUpBefore_NothingDelivered()
    {
        var call = await _harness.CallAsync();
        var context = ForwardingHarness.Context(call);
        var attempt = _harness.Attempt(context, "i");
        attempt.GiveUp(Interruption.Drained);
        AssertFailed(await OpenAsync(context, attempt, Responses.Chat), InstanceFailure.Drained);
    }

    [Fact]
    public async Task Open_OtherAttemptOfRaceWon_Overtaken()
    {
        var race = new HedgeRace();
        var call = await _harness.CallAsync();
        var context = ForwardingHarness.Context(call);
        var attempt = _harness.Attempt(context, "i", race: race);
        var other = _harness.Attempt(ForwardingHarness.Context(call), "j", race: race);
        race.Add(attempt);
        race.Add(other);
        Assert.True(race.TryWin(other));
        AssertFailed(await OpenAsync(context, attempt, Responses.Chat), InstanceFailure.Overtaken);
    }

    [Fact]
    public async Task Open_ErrorInRace_DoesNotWin()
    {
        var race = new HedgeRace();
        var call = await _harness.CallAsync();
        var context = ForwardingHarness.Context(call);
        var attempt = _harness.Attempt(context, "i", race: race);
        race.Add(attempt);
        AssertFailed(await OpenAsync(context, attempt, Responses.Stream(Error + "\n")), InstanceFailure.ServerError);
        Assert.False(race.Won.IsCompleted);
    }

    private static void AssertFailed((ForwardAttempt Attempt, OpenedResponse? Opened) result, InstanceFailure failure)
    {
        Assert.Null(result.Opened);
        Assert.Equal(failure, result.Attempt.Result.Failure);
    }

    private static (int Status, string? Type, string Body) Retained(ForwardAttempt attempt) =>
        attempt.Result.Retained is { } retained ? (retained.Status, retained.ContentType, Encoding.UTF8.GetString(retained.Body.Span)) : default;

    private static async Task<string> ReadAsync(Stream stream)
    {
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
    }

    private async Task<(ForwardAttempt Attempt, OpenedResponse? Opened)> OpenAsync(Reply reply, bool mayRetry = true, ForwardedCall? call = null)
    {
        var context = ForwardingHarness.Context(call ?? await _harness.CallAsync());
        return await OpenAsync(context, _harness.Attempt(context, "i", mayRetry), reply);
    }

    private async Task<(ForwardAttempt Attempt, OpenedResponse? Opened)> OpenAsync(HttpContext context, ForwardAttempt attempt, Reply reply)
    {
        var response = reply(null!);
        attempt.Result.Status = (int)response.StatusCode;
        return (attempt, await _harness.Get<ResponseOpener>().OpenAsync(attempt, context, response, TestContext.Current.CancellationToken));
    }
}
