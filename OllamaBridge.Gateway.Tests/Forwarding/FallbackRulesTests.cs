using System.Text;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Forwarding.Fallback;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Forwarding;

public class FallbackRulesTests
{
    [Theory]
    [InlineData("", true, null)]
    [InlineData("i", true, null)]
    [InlineData("i j", true, FallbackCause.Failed)]
    [InlineData("", false, FallbackCause.Failed)]
    public void Judge_HealthyInstances_AfterAllFailed(string tried, bool attemptsLeft, object? cause)
    {
        var builder = new FleetBuilder().With("i").With("j");
        var model = builder.Build().Models["a:latest"];
        Assert.Equal(cause, Judge(builder, model, tried, attemptsLeft));
    }

    [Theory]
    [InlineData("", FallbackCause.Unavailable)]
    [InlineData("i", FallbackCause.Failed)] // the instance was removed after it failed this request
    public void Judge_NoneHealthy_Immediate(string tried, object cause)
    {
        var builder = new FleetBuilder().With("i").Change("i", v => v with { Status = InstanceStatus.Unhealthy });
        Assert.Equal(cause, Judge(builder, builder.Build().Models["a:latest"], tried, true));
    }

    [Fact]
    public void Judge_NoInstanceHasModel_Unavailable() => Assert.Equal(FallbackCause.Unavailable, FallbackRules.Judge(null, null, attemptsLeft: true, now: 1));

    [Fact]
    public void Judge_AllBusy_WaitsForModel()
    {
        var builder = new FleetBuilder().With("i");
        var fleet = builder.Build();
        Assert.True(builder["i"].TryTakeSlot());
        Assert.Null(FallbackRules.Judge(fleet.Models["a:latest"], null, attemptsLeft: true, now: 1));
    }

    [Fact]
    public void Judge_AllBackingOff_BusyUntilOneIsNot()
    {
        var builder = new FleetBuilder().With("i").With("j");
        var model = builder.Build().Models["a:latest"];
        var rules = BreakerRules.From(new BreakerOptions(), TimeSpan.Zero, TimeProvider.System);
        model.Usable[0].State.MakeGuard()!.Busy(1000, 1, rules, chance: 0);
        Assert.Null(FallbackRules.Judge(model, null, attemptsLeft: true, now: 2));
        model.Usable[1].State.MakeGuard()!.Busy(2000, 1, rules, chance: 0);
        Assert.Equal(FallbackCause.Busy, FallbackRules.Judge(model, null, attemptsLeft: true, now: 2));
        Assert.Null(FallbackRules.Judge(model, null, attemptsLeft: true, now: 1500));
    }

    [Theory]
    [InlineData(LeaseRefusal.UnknownModel, FallbackCause.Unavailable)]
    [InlineData(LeaseRefusal.NoneHealthy, FallbackCause.Unavailable)]
    [InlineData(LeaseRefusal.AllTried, FallbackCause.Failed)]
    [InlineData(LeaseRefusal.FallbackPreferred, FallbackCause.Busy)]
    [InlineData(LeaseRefusal.None, null)]
    [InlineData(LeaseRefusal.QueueFull, null)]
    [InlineData(LeaseRefusal.WaitedTooLong, null)]
    [InlineData(LeaseRefusal.DeadlinePassed, null)]
    [InlineData(LeaseRefusal.DeadlineTooSoon, null)]
    [InlineData(LeaseRefusal.PushedOut, null)]
    [InlineData(LeaseRefusal.NoInstances, null)]
    [InlineData(LeaseRefusal.NotServed, null)]
    public void Judge_Refusal_OnlyWithoutInstances(object refusal, object? cause) =>
        Assert.Equal(cause, FallbackRules.Judge((LeaseRefusal)refusal));

    [Theory]
    [InlineData(400, """{"error":"{\"error\":{\"code\":400,\"message\":\"request (20005 tokens) exceeds the available context size (4096 tokens), try increasing it\",\"type\":\"exceed_context_size_error\"}}"}""", true)]
    [InlineData(400, """{"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens","type":"BadRequestError","code":400}""", true)]
    [InlineData(400, """{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}""", true)]
    [InlineData(400, """{"message":"The input (900 tokens) is longer than the model's context length (512 tokens)."}""", true)]
    [InlineData(400, """{"error":"the input length exceeds the context length"}""", true)]
    [InlineData(413, """{"error":{"code":"context_length_exceeded"}}""", true)]
    [InlineData(500, """{"error":"exceed_context_size_error"}""", false)]
    [InlineData(404, """{"error":"maximum context length"}""", false)]
    [InlineData(400, """{"error":"content policy"}""", false)]
    [InlineData(400, "", false)]
    public void IsTooLong_ServersMessages_Recognized(int status, string body, bool tooLong) =>
        Assert.Equal(tooLong, FallbackRules.IsTooLong(status, Encoding.UTF8.GetBytes(body)));

    private static FallbackCause? Judge(FleetBuilder builder, ModelView model, string tried, bool attemptsLeft)
    {
        var instances = tried.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(n => builder[n]).ToHashSet();
        return FallbackRules.Judge(model, instances.Count == 0 ? null : instances, attemptsLeft, now: 1);
    }
}
