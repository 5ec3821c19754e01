using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;

namespace OllamaBridge.Gateway.Tests.Forwarding.Faults;

public sealed class RepeatedFailuresTests
{
    private readonly FakeTimeProvider _clock = new();
    private readonly RepeatedFailures _memory;
    private readonly FleetBuilder _fleet = new FleetBuilder().With("i").With("j");

    public RepeatedFailuresTests() => _memory = new RepeatedFailures(_clock);

    [Fact]
    public async Task IsKnown_Added_OneMinuteForThatRequest()
    {
        _memory.Add(await CallAsync("x"), "a:latest");

        Assert.True(_memory.IsKnown(await CallAsync("x")));
        Assert.False(_memory.IsKnown(await CallAsync("y")));
        Assert.False(_memory.IsKnown(await CallAsync("x", model: "b:latest")));
        Assert.False(_memory.IsKnown(await CallAsync("x", tenant: "other")));
        Assert.False(_memory.IsKnown(await CallAsync("x", path: "/api/generate")));
        _clock.Advance(TimeSpan.FromSeconds(59));
        Assert.True(_memory.IsKnown(await CallAsync("x")));
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.False(_memory.IsKnown(await CallAsync("x")));
    }

    [Fact]
    public async Task Remove_LaterSuccess_Forgotten()
    {
        _memory.Add(await CallAsync("x"), "a:latest");
        _memory.Remove(await CallAsync("x"));
        Assert.False(_memory.IsKnown(await CallAsync("x")));
    }

    [Fact]
    public async Task TryBlame_AlternatingInstances_RequestsFault()
    {
        Assert.True(_memory.TryBlame(await CallAsync("x"), "a:latest", _fleet["i"], isTold: true));
        Assert.False(_memory.TryBlame(await CallAsync("x"), "a:latest", _fleet["j"], isTold: true));
        Assert.False(_memory.TryBlame(await CallAsync("x"), "a:latest", _fleet["i"], isTold: true));
        Assert.True(_memory.TryBlame(await CallAsync("y"), "a:latest", _fleet["j"], isTold: true));
        Assert.False(_memory.IsKnown(await CallAsync("x"))); // the request may succeed, so it gets all its attempts
    }

    [Fact]
    public async Task TryBlame_RepeatedRequest_ErrorsLimitedTimeoutsNot()
    {
        for (var i = 0; i < 6; i++)
        {
            Assert.Equal(i < 2, _memory.TryBlame(await CallAsync("x"), "a:latest", _fleet["i"], isTold: true));
            Assert.True(_memory.TryBlame(await CallAsync("y"), "a:latest", _fleet["i"], isTold: false));
        }

        _clock.Advance(TimeSpan.FromMinutes(1));
        Assert.True(_memory.TryBlame(await CallAsync("x"), "a:latest", _fleet["i"], isTold: true));
    }

    [Theory]
    [InlineData(null, 32, 16)]
    [InlineData(-1, 32, 16)]
    [InlineData(999, 32, 16)]
    [InlineData(10, 32, 5)]
    [InlineData(10, null, 5)]
    [InlineData(1, 32, 0)]
    [InlineData(0, 32, null)]
    [InlineData(null, null, null)]
    public void Reduce_RequestedAndKnownLayers_Half(int? asked, int? layers, int? expected) => Assert.Equal(expected, FewerLayers.Reduce(asked, layers));

    private static async Task<ForwardedCall> CallAsync(string body, string model = "a:latest", string tenant = "", string path = "/api/chat")
    {
        var context = new DefaultHttpContext();
        context.Request.Body = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(body));
        return TestCalls.Create(
            path,
            model,
            body: await ReplayableBody.ReadAsync(context.Request, 1000, TestContext.Current.CancellationToken),
            tenant: tenant.Length == 0 ? Tenant.Anonymous : Tenant.Anonymous with { Id = tenant });
    }
}
