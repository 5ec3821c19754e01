using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using OllamaBridge.Gateway.Activation;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Settings;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Settings;

/// <summary>Settings that change while the gateway runs.</summary>
public sealed class SettingsReloadTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Bridge:Queue:Lenght", "5")]
    [InlineData("Bridge:Tenants:a:Limits:TokensPerDay", "1e6")]
    [InlineData("Bridge:Instances:0:Slots", "four")]
    [InlineData("Bridge:Queue:Length", "-4")]
    [InlineData("Bridge:Regions:Peers:0:Slots", "0")]
    public async Task Change_WithError_RejectedAsWholeAndReported(string key, string value)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        bridge.Configuration.Change(c =>
        {
            c[key] = value;
            c["Bridge:Queue:MaxWait"] = "7s";
            c["Bridge:Access:RequireKey"] = "true";
        });

        var health = (await bridge.GetJsonAsync("/health"))["checks"]!["settings"]!.GetValue<string>();
        Assert.StartsWith("Degraded: changed settings are refused", health, StringComparison.Ordinal);
        Assert.Contains(key, health, StringComparison.OrdinalIgnoreCase);
        Assert.Contains(bridge.Logs.Lines, l => l.StartsWith("Error 1801", StringComparison.Ordinal) && l.Contains(key, StringComparison.OrdinalIgnoreCase));
        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Null(bridge.Services.GetRequiredService<BridgeSettings>().Current.Values.GetValueOrDefault("Bridge:Queue:MaxWait"));

        bridge.Configuration.Change(c => c.Remove(key));

        Assert.Equal("Healthy", (await bridge.GetJsonAsync("/health"))["checks"]!["settings"]!.GetValue<string>());
        using var refused = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
    }

    [Fact]
    public async Task Change_Tenants_KeysAndLimitsAppliedImmediately()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        var (key, verifier) = ApiKey.Create();
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        bridge.Configuration.Change(c =>
        {
            c["Bridge:Tenants:team:Keys:0"] = verifier.ToString();
            c["Bridge:Tenants:team:Limits:RequestsPerSecond"] = "0.001";
        });
        using var without = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
        bridge.Client.DefaultRequestHeaders.Authorization = new("Bearer", key);
        using var first = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
        using var second = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
        bridge.Configuration.Change(c => c.Remove("Bridge:Tenants:team:Limits:RequestsPerSecond"));
        using var third = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
        bridge.Configuration.Change(c => c.Remove("Bridge:Tenants:team:Keys:0"));
        using var removed = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);

        // Removing the last key does not open the bridge.
        Assert.Equal(
            [HttpStatusCode.Unauthorized, HttpStatusCode.OK, HttpStatusCode.TooManyRequests, HttpStatusCode.OK, HttpStatusCode.Unauthorized],
            new[] { without, first, second, third, removed }.Select(a => a.StatusCode));
    }

    [Fact]
    public async Task Change_ModelsAndAliases_AppliedImmediately()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var before = await bridge.PostAsync("/api/chat", Ask.Chat("gpt-4", stream: false), Token);

        bridge.Configuration.Change(c =>
        {
            c["Bridge:Models:0:Name"] = "gpt-4";
            c["Bridge:Models:0:Target"] = "deepseek-r1:7b";
        });
        using var after = await bridge.PostAsync("/api/chat", Ask.Chat("gpt-4", stream: false), Token);

        Assert.Equal((HttpStatusCode.NotFound, HttpStatusCode.OK), (before.StatusCode, after.StatusCode));
        Assert.Contains("gpt-4", await bridge.Client.GetStringAsync("/api/tags", Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Change_QueueHealthAndLimits_AppliedImmediately()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        bridge.Configuration.Change(c =>
        {
            c["Bridge:Queue:Length"] = "7";
            c["Bridge:Limits:MaxOutputTokens"] = "3";
            c["Bridge:Limits:MaxBody"] = "2048";
        });

        Assert.Equal(7, (await bridge.GetJsonAsync("/bridge/queue"))["limit"]!.GetValue<int>());
        using var capped = await bridge.PostAsync("/api/chat", Ask.Chat(tokens: 9, stream: false), Token);
        Assert.Equal(HttpStatusCode.BadRequest, capped.StatusCode);
        using var large = await bridge.PostAsync("/api/chat", Ask.Chat(text: new string('x', 3000), tokens: 2, stream: false), Token);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, large.StatusCode);
    }

    [Fact]
    public async Task Change_Tiers_ControllersUpdated()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        bridge.Configuration.Change(c =>
        {
            foreach (var name in new[] { "cold", "big" })
            {
                c[$"Bridge:Tiers:{name}:Models:0"] = $"{name}:70b";
                c[$"Bridge:Tiers:{name}:Activator"] = "Http";
                c[$"Bridge:Tiers:{name}:Url"] = "http://127.0.0.1:9/";
            }
        });
        await bridge.UntilAsync(s => s.Cold.Length == 2, "two cold models");
        var activation = bridge.Services.GetRequiredService<ActivationService>();
        await Eventually.BecomesAsync(() => activation.Controllers.Length == 2, TimeSpan.FromSeconds(10));
        var kept = activation.Controllers.Single(k => k.Tier.Name == "big");
        bridge.Configuration.Change(c =>
        {
            foreach (var key in c.Keys.Where(k => k.StartsWith("Bridge:Tiers:cold", StringComparison.Ordinal)).ToArray())
                c.Remove(key);
        });
        await bridge.UntilAsync(s => s.Cold.Length == 1, "one cold model");

        // The tier that remains keeps its controller and its state.
        await Eventually.BecomesAsync(() => activation.Controllers.Length == 1, TimeSpan.FromSeconds(10));
        Assert.Same(kept, activation.Controllers.Single());
    }

    [Fact]
    public async Task Change_Peers_InstancesUpdatedImmediately()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        bridge.Configuration.Change(c =>
        {
            c["Bridge:Regions:Self"] = "here";
            c["Bridge:Regions:Peers:0:Name"] = "there";
            c["Bridge:Regions:Peers:0:Url"] = "http://127.0.0.1:9";
        });
        await bridge.UntilAsync(s => s.Instances.Any(i => i.Instance.Name == "there"), "the peer is added");
        bridge.Configuration.Change(c =>
        {
            foreach (var key in c.Keys.Where(k => k.StartsWith("Bridge:Regions", StringComparison.Ordinal)).ToArray())
                c.Remove(key);
        });

        await bridge.UntilAsync(s => s.Instances.All(i => i.Instance.Name != "there"), "the peer is removed");
    }

    [Theory]
    [InlineData("Bridge:State:ConnectionString", "127.0.0.1:1")]
    [InlineData("Bridge:Ledger:Records", "77")]
    [InlineData("ConnectionStrings:state", "127.0.0.1:1")]
    [InlineData("Bridge:Admin:Urls", "http://127.0.0.1:65001")]
    public async Task Change_StartupOnlySetting_ReportsRestartNeeded(string key, string value)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        bridge.Configuration.Change(c =>
        {
            c[key] = value;
            c["Bridge:Queue:Length"] = "9";
        });

        Assert.Equal($"Degraded: restart needed for {key}", (await bridge.GetJsonAsync("/health"))["checks"]!["settings"]!.GetValue<string>());
        Assert.Contains(bridge.Logs.Lines, l => l.StartsWith("Warning 1802", StringComparison.Ordinal) && l.Contains(key, StringComparison.Ordinal));
        // The other settings stay in effect.
        Assert.Equal(9, (await bridge.GetJsonAsync("/bridge/queue"))["limit"]!.GetValue<int>());
        bridge.Configuration.Change(c => c.Remove(key));
        Assert.Equal("Healthy", (await bridge.GetJsonAsync("/health"))["checks"]!["settings"]!.GetValue<string>());
    }

    [Fact]
    public async Task Change_File_InvalidOrMissingRejectedAndValidApplied()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        var (key, verifier) = ApiKey.Create();
        var file = Path.Combine(Directory.CreateTempSubdirectory("settings").FullName, "appsettings.json");
        await File.WriteAllTextAsync(file, Settings(7), Token);
        await using var gateway = await GatewayProcess.StartAsync(
            fleet.Servers, 1, ("ASPNETCORE_CONTENTROOT", Path.GetDirectoryName(file)!), ("DOTNET_USE_POLLING_FILE_WATCHER", "1"));
        using var client = new HttpClient { BaseAddress = gateway.Url };
        client.DefaultRequestHeaders.Authorization = new("Bearer", key);

        await BecomesAsync("\"limit\":7", "Healthy");
        await File.WriteAllTextAsync(file, "{ \"Bridge\": { \"Tenants\": ", Token);
        await BecomesAsync("\"limit\":7", "appsettings.json");
        await File.WriteAllTextAsync(file, Settings(9), Token);
        await BecomesAsync("\"limit\":9", "Healthy");
        File.Delete(file);
        await BecomesAsync("\"limit\":9", "is gone");

        // The bridge was never open without a key.
        using var answer = await new HttpClient { BaseAddress = gateway.Url }.PostAsJsonAsync("/api/chat", Ask.Chat(stream: false), Token);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);

        string Settings(int length) =>
            $$"""{ "Bridge": { "Queue": { "Length": {{length}} }, "Tenants": { "ops": { "Keys": [ "{{verifier}}" ], "Scopes": "Inference, Admin" } } } }""";

        Task BecomesAsync(string queue, string health) => Eventually.BecomesAsync(
            async () => (await client.GetStringAsync("/bridge/queue", Token)).Contains(queue, StringComparison.Ordinal)
                && JsonNode.Parse(await client.GetStringAsync("/health", Token))!["checks"]!["settings"]!.GetValue<string>().Contains(health, StringComparison.Ordinal),
            TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task Change_UnderLoad_ReadersSeeConsistentState()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Queue:InputTokenWeight", "1"), ("Bridge:Queue:OutputTokenWeight", "1"));
        var options = bridge.Services.GetRequiredService<Microsoft.Extensions.Options.IOptions<OllamaBridge.Gateway.Queueing.QueueOptions>>();
        using var stop = new CancellationTokenSource();
        var readers = Enumerable.Range(0, 2).Select(_ => Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                var seen = options.Value;
                Assert.Equal(seen.InputTokenWeight, seen.OutputTokenWeight);
            }
        })).ToArray();

        for (var i = 2; i < 12; i++)
            bridge.Configuration.Change(c => c["Bridge:Queue:InputTokenWeight"] = c["Bridge:Queue:OutputTokenWeight"] = $"{i}");
        await stop.CancelAsync();
        await Task.WhenAll(readers);

        Assert.Equal(11, options.Value.InputTokenWeight);
    }
}
