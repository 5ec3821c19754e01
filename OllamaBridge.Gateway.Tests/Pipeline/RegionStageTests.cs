using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Pipeline;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Pipeline;

public sealed class RegionStageTests
{
    private static readonly Tenant Team = new() { Id = "team" };
    private readonly FleetBuilder _builder = new FleetBuilder().With("i").WithPeer("us");

    [Theory]
    [InlineData("/api/chat", null, true)]
    [InlineData("/api/chat", "asia", false)] // at most one hop
    [InlineData("/api/pull", null, false)]
    public async Task Invoke_Peers_OnlyForFirstHopOfInference(string path, string? visited, bool expected)
    {
        var context = Request(path, visited);
        Assert.True(await StageContext.PassesAsync(Stage("eu", "us"), context));
        var tenant = ConfinedTenantFeature.Of(context);
        Assert.Equal("team", tenant.Id);
        var names = _builder.Build().For(tenant.Instances).Instances.Select(v => v.Instance.Name);
        Assert.Equal(expected ? ["i", "us"] : ["i"], names.Order());
    }

    [Theory]
    [InlineData("/api/pull", null)]
    [InlineData("/api/chat", "asia")]
    public async Task Invoke_NoPeers_TenantUnchanged(string path, string? visited)
    {
        var context = Request(path, visited);
        Assert.True(await StageContext.PassesAsync(Stage("eu"), context));
        Assert.Same(Team, context.Features.Get<ConfinedTenantFeature>()!.Tenant);
    }

    [Theory]
    [InlineData("eu")]
    [InlineData("asia, EU")]
    public async Task Invoke_VisitedThisRegion_508(string visited)
    {
        var context = Request("/api/chat", visited);
        Assert.False(await StageContext.PassesAsync(Stage(" eu ", "us"), context));
        Assert.Equal(508, context.Response.StatusCode);
        Assert.Null(context.Features.Get<ConfinedTenantFeature>());
    }

    [Fact]
    public async Task Invoke_VisitedOtherRegionWithoutOwnName_Passes() =>
        Assert.True(await StageContext.PassesAsync(Stage(null), Request("/api/chat", "eu")));

    private static DefaultHttpContext Request(string path, string? visited)
    {
        var context = StageContext.Create(path, Team);
        if (visited is not null)
            context.Request.Headers[PeerBridge.Header] = visited;
        return context;
    }

    private static RegionStage Stage(string? self, params string[] peers)
    {
        var options = Options.Create(new RegionOptions
        {
            Self = self,
            Peers = [.. peers.Select(p => new PeerOptions { Name = p, Url = $"https://{p}.example" })],
        });
        return new RegionStage(new RegionPeers(options), options, NullLogger<RegionStage>.Instance);
    }
}
