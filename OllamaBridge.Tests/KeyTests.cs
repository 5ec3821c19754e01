using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using OllamaBridge.Hosting;

namespace OllamaBridge.Tests;

/// <summary>API keys and tenants are Aspire secrets.</summary>
public sealed class KeyTests
{
    [Fact]
    public async Task WithApiKey_Client_ReceivesKeyInConnectionStrings()
    {
        var (builder, bridge) = Apps.With(new FakeHost());
        // The client is wired before the key exists: the order of calls must not matter.
        builder.AddExecutable("client", "client", ".").WithReference(bridge);
        bridge.WithSimulatedInstances(1).WithModels("a:1").WithApiKey(builder.AddBridgeKey("key"));

        var environment = await builder.EnvironmentAsync("client");

        const string Url = "{bridge.bindings.http.scheme}://{bridge.bindings.http.host}:{bridge.bindings.http.port}";
        Assert.Equal(
            $"Endpoint={Url};Key={{key.value}};Model=a:1", ((IResourceWithConnectionString)bridge.Resource).ConnectionStringExpression.ValueExpression);
        Assert.Equal($"Endpoint={Url}/v1;Key={{key.value}};Model=a:1", environment["ConnectionStrings__bridge-openai"]);
        Assert.Equal("{key.value}", environment["BRIDGE_KEY"]);
        Assert.True(builder.Get<ParameterResource>("key").Secret);
    }

    [Fact]
    public async Task WithApiKey_RunMode_CommandsUseSeparateOperatorKey()
    {
        var (builder, bridge) = Apps.With(new FakeHost());
        bridge.WithSimulatedInstances(1).WithApiKey(builder.AddBridgeKey("key"));

        var environment = await builder.EnvironmentAsync("bridge");

        Assert.Equal("{key.value}", environment["Bridge__Tenants__clients__Keys__0"]);
        Assert.DoesNotContain("Bridge__Tenants__clients__Scopes", environment.Keys);
        Assert.Equal("Inference, Management, Admin", environment["Bridge__Tenants__apphost__Scopes"]);
        var key = await bridge.Resource.Fleet.OperatorKey!.GetValueAsync(TestContext.Current.CancellationToken);
        Assert.Matches("^ob-[0-9a-f]{12}-[A-Za-z0-9_-]{43}$", key);
        Assert.Equal(key, await bridge.Resource.Fleet.OperatorKey.GetValueAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task WithTenant_Options_WrittenInGatewayFormat()
    {
        var (builder, bridge) = Apps.With(new FakeHost());
        bridge.WithTenant("chat-team", builder.AddBridgeKey("chat-key"), new BridgeTenantOptions
        {
            Scopes = ["Inference", "Drain"],
            Models = ["deepseek-r1:*", "qwen3:8b"],
            Weight = 2.5,
            TokensPerDay = 1_000_000,
            ConcurrentRequests = 4,
        });

        var environment = (await builder.EnvironmentAsync("bridge")).Where(
            e => e.Key.StartsWith("Bridge__Tenants__chat-team", StringComparison.Ordinal)).ToDictionary();

        Assert.Equal(
            new Dictionary<string, string>
            {
                ["Bridge__Tenants__chat-team__Keys__0"] = "{chat-key.value}",
                ["Bridge__Tenants__chat-team__Scopes"] = "Inference, Drain",
                ["Bridge__Tenants__chat-team__Models__0"] = "deepseek-r1:*",
                ["Bridge__Tenants__chat-team__Models__1"] = "qwen3:8b",
                ["Bridge__Tenants__chat-team__Weight"] = "2.5",
                ["Bridge__Tenants__chat-team__Limits__TokensPerDay"] = "1000000",
                ["Bridge__Tenants__chat-team__Limits__ConcurrentRequests"] = "4",
            },
            environment);
    }

    [Fact]
    public void Published_WithoutKey_RefusedWithMessage()
    {
        var (_, bridge) = Apps.With(new FakeHost());

        var error = Assert.Throws<DistributedApplicationException>(
            () => BridgeEnvironment.Write(bridge.Resource.Fleet, new Dictionary<string, object>(), publish: true));

        Assert.Contains("WithApiKey", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Published_AnonymousAccessAllowed_SetsAllowAnonymous()
    {
        var (_, bridge) = Apps.With(new FakeHost());
        var environment = new Dictionary<string, object>();

        BridgeEnvironment.Write(bridge.WithAnonymousAccess().Resource.Fleet, environment, publish: true);

        Assert.Equal("true", environment["Bridge__Access__AllowAnonymous"]);
    }
}
