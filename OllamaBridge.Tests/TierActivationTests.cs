using System.Net;
using System.Net.Http.Headers;
using System.Text;
using OllamaBridge.Hosting;

namespace OllamaBridge.Tests;

/// <summary>The bridge requests cold instances, and the application starts and stops them. No other source starts them.</summary>
public sealed class TierActivationTests
{
    private const string Body = """{"tier":"cold","instances":1}""";

    [Fact]
    public async Task Listener_RequestWithKey_AcceptedAndForwarded()
    {
        await using var listener = WithColdTier();

        Assert.Equal(HttpStatusCode.Accepted, await PostAsync(listener, Body, listener.Key));

        Assert.Equal(new TierRequest("cold", 1), await listener.Requests.ReadAsync(TestContext.Current.CancellationToken));
        Assert.Equal("127.0.0.1", new Uri((await listener.GetValueAsync(TestContext.Current.CancellationToken))!).Host);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("another-key")]
    public async Task Listener_WithoutKey_RefusedAndNotForwarded(string? key)
    {
        await using var listener = WithColdTier();

        Assert.Equal(HttpStatusCode.Unauthorized, await PostAsync(listener, Body, key));
        Assert.False(listener.Requests.TryRead(out _));
    }

    [Theory]
    [InlineData("""{"tier":"warm","instances":1}""", HttpStatusCode.NotFound)]
    [InlineData("""{"tier":"cold","instances":3}""", HttpStatusCode.BadRequest)]
    [InlineData("""{"tier":"cold","instances":-1}""", HttpStatusCode.BadRequest)]
    [InlineData("""{"tier":"cold"}""", HttpStatusCode.BadRequest)]
    [InlineData("cold", HttpStatusCode.BadRequest)]
    public async Task Listener_InvalidRequest_Refused(string body, HttpStatusCode expected)
    {
        await using var listener = WithColdTier();

        Assert.Equal(expected, await PostAsync(listener, body, listener.Key));
        Assert.False(listener.Requests.TryRead(out _));
    }

    [Theory]
    [InlineData("", 2, "abc", 2, "ab", "")]
    [InlineData("b", 2, "abc", 2, "a", "")]
    [InlineData("ab", 1, "abc", 1, "", "b")]
    [InlineData("ac", 0, "abc", 0, "", "ac")]
    [InlineData("bc", 2, "abc", 2, "", "")]
    public void Plan_WantedInstances_StartsFirstAndStopsLast(string running, int wanted, string all, int runs, string start, string stop)
    {
        var plan = TierPlan.Of([.. all.Select(c => (c.ToString(), running.Contains(c)))], wanted);

        Assert.Equal(start, string.Concat(plan.Start));
        Assert.Equal(stop, string.Concat(plan.Stop));
        Assert.Equal(runs, running.Length + plan.Start.Count - plan.Stop.Count);
    }

    [Fact]
    public async Task Bridge_TierStartedOnDemand_ReceivesListenerAddress()
    {
        await using var builder = await Apps.OwnAsync(
            "--Fleet:Backend=Simulator", "--Fleet:State=Embedded", "--Fleet:Tiers:cold:Models=deepseek-r1:70b,qwen3", "--Fleet:Tiers:cold:Instances=2",
            "--Fleet:Tiers:cold:ExplicitStart=true", "--Fleet:Tiers:warm:Models=a:1");

        var environment = await builder.EnvironmentAsync("bridge");

        Assert.Equal("deepseek-r1:70b", environment["Bridge__Tiers__cold__Models__0"]);
        Assert.Equal("qwen3:latest", environment["Bridge__Tiers__cold__Models__1"]);
        Assert.Equal("Http", environment["Bridge__Tiers__cold__Activator"]);
        Assert.Equal("{tiers.url}", environment["Bridge__Tiers__cold__Url"]);
        Assert.Equal(64, environment["Bridge__Tiers__cold__ApiKey"].Length);
        Assert.Equal("2", environment["Bridge__Tiers__cold__MaxInstances"]);
        Assert.Contains("deepseek-r1:70b,qwen3:latest", await builder.ArgumentsAsync("ollama-cold-1"));
        Assert.Contains("deepseek-r1:7b,a:1", await builder.ArgumentsAsync("ollama-1"));
        // Instances that start with the application are not started on demand.
        Assert.DoesNotContain(environment.Keys, k => k.StartsWith("Bridge__Tiers__warm", StringComparison.Ordinal));
    }

    private static TierListener WithColdTier()
    {
        var listener = new TierListener();
        Assert.True(listener.TryAdd("cold", () => 2));
        return listener;
    }

    private static async Task<HttpStatusCode> PostAsync(TierListener listener, string body, string? key)
    {
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, await listener.GetValueAsync(TestContext.Current.CancellationToken));
        request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        if (key is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        using var answer = await client.SendAsync(request, TestContext.Current.CancellationToken);
        return answer.StatusCode;
    }
}
