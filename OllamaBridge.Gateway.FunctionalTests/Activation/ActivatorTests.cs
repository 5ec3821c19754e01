using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Activation;
using OllamaBridge.Gateway.Discovery.Kubernetes;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.FunctionalTests.Activation;

/// <summary>The requests to platforms, over real sockets.</summary>
public sealed class ActivatorTests : IDisposable
{
    private readonly List<KubernetesConnection> _connections = [];
    private readonly HttpActivator _http = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _connections.ForEach(c => c.Dispose());
        _http.Dispose();
    }

    [Theory]
    [InlineData("/apis/apps/v1/namespaces/models/statefulsets/ollama-cold/scale", null, null, "StatefulSet")]
    [InlineData("/apis/apps/v1/namespaces/elsewhere/statefulsets/big/scale", "elsewhere", "big", "StatefulSet")]
    [InlineData("/apis/apps/v1/namespaces/models/deployments/ollama-cold/scale", null, null, "Deployment")]
    public async Task Kubernetes_ReadAndWrite_UseOnlyScaleSubresource(string path, string? space, string? name, string kind)
    {
        await using var api = await FakeApiServer.StartAsync(path);
        var kubernetes = Activator(api.KubeConfig);
        var tier = Tier(new ScaleTargetOptions { Namespace = space, StatefulSet = name, Kind = Enum.Parse<ScaledKind>(kind) });

        var asleep = await kubernetes.ReadAsync(tier, Token);
        await kubernetes.WriteAsync(tier, 2, asleep, Token);
        var awake = await kubernetes.ReadAsync(tier, Token);
        await kubernetes.WriteAsync(tier, 0, awake, Token);

        Assert.Equal((0, 2), (asleep.Instances, awake.Instances));
        Assert.Equal(["GET", "PATCH 2", "GET", "PATCH 0"], api.Asked);
        Assert.Equal(0, api.Replicas);
    }

    [Fact]
    public async Task Kubernetes_ConcurrentChange_ConflictAndNoChange()
    {
        await using var api = await FakeApiServer.StartAsync();
        var (kubernetes, tier) = (Activator(api.KubeConfig), Tier(new ScaleTargetOptions()));
        var seen = await kubernetes.ReadAsync(tier, Token);
        api.Set(3);
        var e = await Assert.ThrowsAsync<ActivationException>(() => kubernetes.WriteAsync(tier, 1, seen, Token));
        Assert.Equal((ActivationFailure.Conflict, 3), (e.Failure, api.Replicas));
    }

    [Theory]
    [InlineData(HttpStatusCode.Forbidden, "Refused")]
    [InlineData(HttpStatusCode.NotFound, "Refused")]
    [InlineData(HttpStatusCode.TooManyRequests, "Failed")]
    [InlineData(HttpStatusCode.InternalServerError, "Failed")]
    public async Task Kubernetes_ErrorStatus_ServersMessageWithoutToken(HttpStatusCode status, string expected)
    {
        await using var api = await FakeApiServer.StartAsync();
        api.Status = status;
        var e = await Assert.ThrowsAsync<ActivationException>(() => Activator(api.KubeConfig).ReadAsync(Tier(new ScaleTargetOptions()), Token));
        Assert.Equal(expected, e.Failure.ToString());
        Assert.Equal($"the Kubernetes API server returned status {(int)status}: as the test wants it", e.Message);
        Assert.DoesNotContain("a-canary-of-a-token", e.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Kubernetes_Unreachable_Failed()
    {
        var api = await FakeApiServer.StartAsync();
        var config = await File.ReadAllTextAsync(api.KubeConfig, Token);
        await api.DisposeAsync();
        var path = Path.GetTempFileName();
        await File.WriteAllTextAsync(path, config, Token);
        var e = await Assert.ThrowsAsync<ActivationException>(() => Activator(path).ReadAsync(Tier(new ScaleTargetOptions()), Token));
        File.Delete(path);
        Assert.Equal(ActivationFailure.Failed, e.Failure);
    }

    [Theory]
    [InlineData(202, null)]
    [InlineData(401, "Refused")]
    [InlineData(302, "Refused")] // redirects are not followed
    [InlineData(409, "Conflict")]
    [InlineData(503, "Failed")]
    public async Task Http_Status_MappedToFailureWithKeySent(int status, string? expected)
    {
        var seen = new List<string>();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        await using var app = builder.Build();
        app.Run(async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            seen.Add($"{context.Request.Method} {context.Request.Path} {context.Request.ContentType} {context.Request.Headers.Authorization} {await reader.ReadToEndAsync(Token)}");
            context.Response.StatusCode = status;
            context.Response.Headers.Location = "/elsewhere";
        });
        await app.StartAsync(Token);
        var tier = Tier(new ScaleTargetOptions(), $"{app.Urls.First()}/scale");

        Assert.Equal(default, await _http.ReadAsync(tier, Token));
        var e = await Record.ExceptionAsync(() => _http.WriteAsync(tier, 1, default, Token));

        Assert.Equal(expected, (e as ActivationException)?.Failure.ToString());
        Assert.Equal("""POST /scale application/json; charset=utf-8 Bearer a-canary {"tier":"cold","instances":1}""", Assert.Single(seen));
        Assert.DoesNotContain("a-canary", $"{e} {tier}", StringComparison.Ordinal);
    }

    private KubernetesActivator Activator(string kubeConfig)
    {
        var connection = new KubernetesConnection(Options.Create(new KubernetesOptions { KubeConfig = kubeConfig }));
        _connections.Add(connection);
        return new KubernetesActivator(connection);
    }

    private static Tier Tier(ScaleTargetOptions kubernetes, string? url = null) => new(
        new ColdTier("cold", ["big"], "cold-", TimeSpan.FromMinutes(1)), new TierOptions { Kubernetes = kubernetes, Url = url, ApiKey = "a-canary" });
}
