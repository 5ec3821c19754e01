using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Forwarding.Fallback;
using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Gateway.Tests.Forwarding.Fallback;

public sealed class ModelTriesTests
{
    private readonly FakeTimeProvider _clock = new(FleetBuilder.Day);
    private readonly FleetBuilder _builder = new FleetBuilder().With("i").With("j");

    public ModelTriesTests() => _builder.Build();

    [Fact]
    public void Sent_EarlierModelAndFullQueues_NotCounted()
    {
        var call = TestCalls.Create(model: "a:latest");
        call.Result.Attempts = 2;
        var tries = new ModelTries(call, TestCalls.Faults(call, _clock));
        Assert.Equal(0, tries.Sent);
        call.Result.Attempts += 3;
        tries.Full = 1;
        Assert.Equal(2, tries.Sent);
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(2, true)]
    [InlineData(3, false)]
    public void MayBeSent_Attempts_UntilLimit(int attempts, bool expected)
    {
        var tries = Tries();
        tries.Call.Result.Attempts = attempts;
        Assert.Equal(expected, tries.MayBeSent(maxAttempts: 3));
    }

    [Fact]
    public void MayBeSent_TooLongOrFailingEverywhere_False()
    {
        Assert.True(Tries().MayBeSent(1));
        Assert.False(new ModelTries(TestCalls.Create(), TestCalls.Faults(TestCalls.Create(), _clock)) { IsTooLong = true }.MayBeSent(1));
        Assert.False(new ModelTries(TestCalls.Create(), TestCalls.Faults(TestCalls.Create(), _clock)) { FailsEverywhere = true }.MayBeSent(1));
    }

    [Fact]
    public void Add_HedgedAttempts_RetainsErrorAndExcludesSecondInstance()
    {
        var tries = Tries();
        var (one, other) = (Attempt(tries, "i"), Attempt(tries, "j"));
        one.Result.Retained = new RetainedResponse(500, "application/json", "{}"u8.ToArray());
        tries.Add(new HedgedAttempt(one, other));
        Assert.Same(one.Result.Retained, tries.Retained);
        Assert.Equal([_builder["j"]], tries.Tried!);
    }

    [Fact]
    public void Add_AttemptWithoutError_KeepsEarlierError()
    {
        var tries = Tries();
        tries.Retained = new RetainedResponse(500, "application/json", "{}"u8.ToArray());
        tries.Add(new HedgedAttempt(Attempt(tries, "i")));
        Assert.NotNull(tries.Retained);
        Assert.Null(tries.Tried);
    }

    [Fact]
    public async Task End_ErrorRetained_ClientGetsIt()
    {
        var tries = Tries();
        tries.Retained = Error("mine");
        Assert.Equal((500, """{"error":"mine"}"""), await EndAsync(tries, null, null));
    }

    [Fact]
    public async Task End_FirstModelFailed_ClientGetsItsError()
    {
        var (first, tries) = (Tries(), Tries());
        (first.Retained, tries.Retained) = (Error("first"), Error("fallback"));
        Assert.Equal((500, """{"error":"first"}"""), await EndAsync(tries, first, null));
    }

    [Fact]
    public async Task End_FirstModelNotSent_ClientGetsFallbacksError()
    {
        var (first, tries) = (Tries(), Tries());
        tries.Retained = Error("fallback");
        Assert.Equal((500, """{"error":"fallback"}"""), await EndAsync(tries, first, null));
    }

    [Theory]
    [InlineData(null, 502)]
    [InlineData(InstanceFailure.Refused, 502)]
    [InlineData(InstanceFailure.TimedOut, 504)]
    [InlineData(InstanceFailure.Stopped, 503)]
    public async Task End_AttemptFailed_StatusOfFailure(object? failure, int status)
    {
        var tries = Tries();
        tries.LastFailure = (InstanceFailure?)failure;
        Assert.Equal(status, (await EndAsync(tries, null, null)).Status);
    }

    [Theory]
    [InlineData(LeaseRefusal.QueueFull, null, 503)]
    [InlineData(LeaseRefusal.DeadlinePassed, InstanceFailure.ServerError, 504)]
    [InlineData(LeaseRefusal.UnknownModel, null, 404)]
    [InlineData(LeaseRefusal.AllTried, InstanceFailure.TimedOut, 504)] // the failure says more than the refusal
    public async Task End_LeaseRefused_StatusOfRefusal(object refusal, object? failure, int status)
    {
        var tries = Tries();
        tries.LastFailure = (InstanceFailure?)failure;
        Assert.Equal(status, (await EndAsync(tries, null, new LeaseResult(null, (LeaseRefusal)refusal, TimeSpan.FromSeconds(1)))).Status);
    }

    private static RetainedResponse Error(string message) => new(500, "application/json", Encoding.UTF8.GetBytes($$"""{"error":"{{message}}"}"""));

    private static async Task<(int Status, string Body)> EndAsync(ModelTries tries, ModelTries? first, LeaseResult? refusal)
    {
        var context = new DefaultHttpContext();
        using var body = new MemoryStream();
        context.Response.Body = body;
        await tries.EndAsync(context, first, refusal);
        return (context.Response.StatusCode, Encoding.UTF8.GetString(body.ToArray()));
    }

    private ModelTries Tries()
    {
        var call = TestCalls.Create(model: "a:latest");
        return new ModelTries(call, TestCalls.Faults(call, _clock));
    }

    private ForwardAttempt Attempt(ModelTries tries, string instance) =>
        TestCalls.Attempt(tries.Call, Deciding.Take(_builder, instance, time: _clock), _clock, faults: tries.Faults);
}
