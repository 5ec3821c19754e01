using OllamaBridge.Gateway.Pipeline;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Tests.Pipeline;

public sealed class PriorityStageTests
{
    private readonly PriorityStage _stage = new();

    [Fact]
    public async Task Invoke_Headers_SetsPriorityAndDeadline()
    {
        var context = StageContext.Create();
        context.Request.Headers[RequestPriority.PriorityHeader] = "batch";
        context.Request.Headers[RequestPriority.DeadlineHeader] = "2.5";
        Assert.True(await StageContext.PassesAsync(_stage, context));
        Assert.Equal(new RequestPriority(Priority.Batch, TimeSpan.FromSeconds(2.5), null), context.Features.Get<RequestPriority>());
    }

    [Fact]
    public async Task Invoke_NoHeaders_ClassOfConfinedTenant()
    {
        var context = StageContext.Create(tenant: new Tenant { Id = "team" });
        context.Features.Set(new ConfinedTenantFeature(new Tenant { Id = "team", Priority = Priority.Batch }));
        Assert.True(await StageContext.PassesAsync(_stage, context));
        Assert.Equal(new RequestPriority(Priority.Batch, null, null), context.Features.Get<RequestPriority>());
    }

    [Theory]
    [InlineData(RequestPriority.PriorityHeader, "urgent")]
    [InlineData(RequestPriority.DeadlineHeader, "-1")]
    public async Task Invoke_InvalidHeader_400WithoutPriority(string header, string value)
    {
        var context = StageContext.Create("/v1/chat/completions");
        context.Request.Headers[header] = value;
        Assert.False(await StageContext.PassesAsync(_stage, context));
        Assert.Equal(400, context.Response.StatusCode);
        Assert.Contains(header, StageContext.Sent(context), StringComparison.Ordinal);
        Assert.Contains("invalid_request_error", StageContext.Sent(context), StringComparison.Ordinal);
        Assert.Null(context.Features.Get<RequestPriority>());
    }
}
