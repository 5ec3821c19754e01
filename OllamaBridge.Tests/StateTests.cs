using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using OllamaBridge.Hosting;

namespace OllamaBridge.Tests;

/// <summary>The store that gateways share, for each backend.</summary>
public sealed class StateTests
{
    [Fact]
    public async Task Container_Redis_UsesAppendOnlyFileOnVolume()
    {
        var builder = Apps.Empty();
        builder.AddBridgeState("state", BridgeStateBackend.Container, new FakeHost());

        Assert.StartsWith("docker.io/library/redis:", builder.Image("state"), StringComparison.Ordinal);
        Assert.Equal(["state-data:/data"], builder.Volumes("state"));
        Assert.Contains("--appendonly yes", string.Join(' ', await builder.ArgumentsAsync("state")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Executable_RedisServer_PasswordNotInArguments()
    {
        var builder = Apps.Empty();
        builder.AddBridgeState("state", BridgeStateBackend.Auto, new FakeHost(Programs: ["redis-server"]));

        var resource = builder.Get<RedisExecutableResource>("state");
        Assert.Equal("redis-server", resource.Command);
        var arguments = await builder.ArgumentsAsync("state");
        Assert.Contains("--appendonly yes", string.Join(' ', arguments), StringComparison.Ordinal);
        Assert.Contains("127.0.0.1", arguments);
        Assert.DoesNotContain(
            arguments, a => a.Contains("password", StringComparison.OrdinalIgnoreCase) || a.Contains("requirepass", StringComparison.Ordinal));
        Assert.Equal(
            "{state.bindings.tcp.host}:{state.bindings.tcp.port},password={state-password.value}",
            ((IResourceWithConnectionString)resource).ConnectionStringExpression.ValueExpression);
        Assert.NotEmpty(resource.Annotations.OfType<HealthCheckAnnotation>());
    }

    [Fact]
    public async Task Embedded_StateServer_ConfiguredByEnvironment()
    {
        var builder = Apps.Empty();
        builder.AddBridgeState("state", BridgeStateBackend.Auto, new FakeHost());

        var resource = builder.Get<EmbeddedStateToolResource>("state");
        var environment = await builder.EnvironmentAsync("state");
        Assert.Equal("{state.bindings.tcp.targetPort}", environment["STATE_PORT"]);
        Assert.Equal("{state-password.value}", environment["STATE_PASSWORD"]);
        Assert.True(Path.IsPathFullyQualified(environment["STATE_DATA"]));
        Assert.Empty(await builder.ArgumentsAsync("state"));
        Assert.NotEmpty(resource.Annotations.OfType<HealthCheckAnnotation>());
    }
}
