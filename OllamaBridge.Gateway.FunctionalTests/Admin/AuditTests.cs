using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Admin;

/// <summary>Every change has an audit entry with its actor and the states before and after, without secrets.</summary>
public sealed class AuditTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Audit_TenantsAndKeys_ActorAndStatesWithoutSecrets()
    {
        await using var bed = await Bed.StartAsync();
        await bed.SendAsync(HttpMethod.Put, "/bridge/tenants/team-a", new { models = new[] { "qwen3:*" }, weight = 2.0 });
        await bed.SendAsync(HttpMethod.Put, "/bridge/tenants/team-a", new { weight = 3.0 });
        var key = await bed.SendAsync(HttpMethod.Post, "/bridge/tenants/team-a/keys");
        var id = key["id"]!.GetValue<string>();
        var rotated = await bed.SendAsync(HttpMethod.Post, $"/bridge/tenants/team-a/keys/{id}/rotate");
        await bed.SendAsync(HttpMethod.Delete, $"/bridge/tenants/team-a/keys/{id}");
        await bed.SendAsync(HttpMethod.Post, "/bridge/tenants/team-a/disable");
        await bed.SendAsync(HttpMethod.Post, "/bridge/tenants/team-a/enable");
        await bed.SendAsync(HttpMethod.Delete, "/bridge/tenants/team-a");

        var entries = await bed.AuditAsync();

        Assert.Equal(
            ["tenant.remove", "tenant.enable", "tenant.disable", "key.remove", "key.rotate", "key.add", "tenant.put", "tenant.put"],
            entries.Select(e => Text(e, "action")));
        Assert.All(entries, e => Assert.Equal(
            ("operator", bed.KeyId, "ops", "127.0.0.1", "done"), (Text(e, "actor"), Text(e, "key"), Text(e, "tenant"), Text(e, "address"), Text(e, "outcome"))));
        Assert.All(entries, e => Assert.Equal(DateTimeKind.Utc, DateTime.Parse(Text(e, "time"), null, System.Globalization.DateTimeStyles.RoundtripKind).ToUniversalTime().Kind));
        Assert.EndsWith("+00:00", Text(entries[0], "time"), StringComparison.Ordinal);
        var change = entries[6];
        Assert.Equal((2.0, 3.0), (change["before"]!["weight"]!.GetValue<double>(), change["after"]!["weight"]!.GetValue<double>()));
        Assert.Null(entries[7]["before"]);
        Assert.Equal($"team-a/{id}", Text(entries[5], "target"));
        Assert.Equal((id, rotated["id"]!.GetValue<string>()), (Text(entries[4]["before"]!, "id"), Text(entries[4]["after"]!, "id")));
        Assert.Null(entries[3]["after"]);
        Assert.Null(entries[0]["after"]);
        Assert.Equal("team-a", Text(entries[0]["before"]!, "id"));
        bed.AssertNoSecrets(entries, key["key"]!.GetValue<string>(), rotated["key"]!.GetValue<string>());
        Assert.Equal(5, bed.Logged("Information 1860 tenant."));
        Assert.Equal(3, bed.Logged("Information 1861 key."));
    }

    [Fact]
    public async Task Audit_InstancesAndDrains_StateBeforeAndAfter()
    {
        await using var bed = await Bed.StartAsync();
        var url = bed.Fleet[1].Url.ToString();
        await bed.SendAsync(HttpMethod.Post, "/bridge/instances", new { name = "extra", url, slots = 2 });
        await bed.SendAsync(HttpMethod.Post, "/bridge/instances", new { name = "extra", url, slots = 4 });
        await bed.SendAsync(HttpMethod.Post, "/bridge/instances/EXTRA/drain?deadline=60");
        await bed.SendAsync(HttpMethod.Post, "/bridge/instances/extra/undrain");
        await bed.SendAsync(HttpMethod.Delete, "/bridge/instances/extra");

        var entries = await bed.AuditAsync();

        Assert.Equal(["instance.remove", "drain.end", "drain.start", "instance.change", "instance.add"], entries.Select(e => Text(e, "action")));
        Assert.All(entries, e => Assert.Equal("extra", Text(e, "target")));
        Assert.Equal(2, entries[3]["before"]!["slots"]!.GetValue<int>());
        Assert.Equal(4, entries[3]["after"]!["slots"]!.GetValue<int>());
        Assert.False(entries[2]["before"]!["draining"]!.GetValue<bool>());
        Assert.True(entries[2]["after"]!["draining"]!.GetValue<bool>());
        Assert.NotNull(entries[2]["after"]!["deadline"]);
        Assert.Equal(1, bed.Logged("Information 1862 drain.start"));
        Assert.Equal(1, bed.Logged("Information 1863 instance.remove"));
    }

    [Fact]
    public async Task Audit_WaitingDrain_RecordedBeforeResponse()
    {
        await using var bed = await Bed.StartAsync();
        bed.Fleet[0].Faults.Add(new Fault { Kind = FaultKind.SlowFirstToken, Delay = TimeSpan.FromSeconds(30) });
        using var gone = new CancellationTokenSource();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/chat") { Content = JsonContent.Create(Ask.Chat(stream: true)) };
        request.Headers.Authorization = new("Bearer", bed.Key);
        var running = bed.Bridge.Client.SendAsync(request, gone.Token);
        await Eventually.BecomesAsync(() => bed.Bridge.Fleet.Current.Instances.Any(i => i.Instance.SlotsUsed > 0), TimeSpan.FromSeconds(10));
        var drain = bed.SendAsync(HttpMethod.Post, "/bridge/instances/sim-1/drain?deadline=300&wait=true");

        var entry = Assert.Single(await bed.AuditAsync(1));

        Assert.Equal(("drain.start", "done", false), (Text(entry, "action"), Text(entry, "outcome"), drain.IsCompleted));
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        await drain;
        Assert.Single(await bed.AuditAsync());
    }

    [Fact]
    public async Task Audit_ModelChanges_RecordedWithClient()
    {
        await using var bed = await Bed.StartAsync();
        await bed.SendAsync(HttpMethod.Post, "/api/pull", new { model = "qwen3:4b" });
        await bed.SendAsync(HttpMethod.Post, "/api/copy", new { source = "qwen3:4b", destination = "copied" });
        await bed.SendAsync(HttpMethod.Post, "/api/create", new { model = "made", from = "qwen3:4b" });
        await bed.SendAsync(HttpMethod.Post, "/api/generate", new { model = "qwen3:4b", keep_alive = 0 });
        await bed.SendAsync(HttpMethod.Delete, "/api/delete", new { model = "copied" });
        await bed.SendAsync(HttpMethod.Delete, "/api/delete", new { model = "unheard-of" });

        var entries = await bed.AuditAsync(6);

        Assert.Equal(
            [
                "model.delete unheard-of:latest refused model 'unheard-of' not found", "model.delete copied:latest done", "model.unload qwen3:4b done", "model.create made:latest done",
                "model.copy copied:latest done", "model.pull qwen3:4b done",
            ],
            entries.Select(e => $"{Text(e, "action")} {Text(e, "target")} {Text(e, "outcome")} {Text(e, "reason")}".Trim()));
        Assert.All(entries, e => Assert.Equal(("client", bed.KeyId, "ops", "127.0.0.1"), (Text(e, "actor"), Text(e, "key"), Text(e, "tenant"), Text(e, "address"))));
        Assert.Null(entries[5]["before"]);
        Assert.NotEmpty(entries[5]["after"]!["instances"]!.AsArray());
        Assert.Equal("qwen3:4b", Text(entries[4]["after"]!, "from"));
        Assert.NotNull(entries[1]["before"]);
        Assert.Equal("Warning", bed.Bridge.Logs.Lines.Single(l => l.Contains(" 1865 model.delete unheard-of", StringComparison.Ordinal)).Split(' ')[0]);
    }

    [Fact]
    public async Task Audit_RefusedAttempts_RecordedWithOutcome()
    {
        await using var bed = await Bed.StartAsync();
        await bed.SendAsync(HttpMethod.Put, "/bridge/tenants/team-a", new { weight = -1 }, HttpStatusCode.BadRequest);
        await bed.SendAsync(HttpMethod.Put, "/bridge/tenants/ops", new { weight = 2 }, HttpStatusCode.Conflict);
        await bed.SendAsync(HttpMethod.Post, "/bridge/instances/nobody/drain", null, HttpStatusCode.NotFound);
        await bed.SendAsync(HttpMethod.Post, "/bridge/instances", new { name = "x", url = "http://user:hidden@10.0.0.1" }, HttpStatusCode.BadRequest);
        await bed.SendAsync(HttpMethod.Post, "/bridge/instances/sim-1/drain?deadline=60", null, HttpStatusCode.Forbidden, key: bed.InferenceKey);
        await bed.SendAsync(HttpMethod.Delete, "/bridge/tenants/ops", null, HttpStatusCode.Unauthorized, key: "ob-wrong");
        await bed.SendAsync(HttpMethod.Post, "/api/pull", new { model = "qwen3:4b" }, HttpStatusCode.Forbidden, key: bed.InferenceKey);
        await bed.SendAsync(HttpMethod.Delete, "/api/delete", new { model = "qwen3:4b" }, HttpStatusCode.Unauthorized, key: "ob-wrong");

        var entries = await bed.AuditAsync(8);

        Assert.Equal(
            [
                "model.delete  unauthenticated 401", "model.pull  client 403", "tenant.remove ops unauthenticated 401", "drain.start sim-1 operator 403",
                "instance.add x operator 400", "drain.start nobody operator 404", "tenant.put ops operator 409", "tenant.put team-a operator 400",
            ],
            entries.Select(e => $"{Text(e, "action")} {Text(e, "target")} {Text(e, "actor")} {e["status"]}"));
        Assert.All(entries, e => Assert.Equal("refused", Text(e, "outcome")));
        Assert.All(entries, e => Assert.Null(e["after"]));
        Assert.Equal(("clients", bed.InferenceKeyId), (Text(entries[3], "tenant"), Text(entries[3], "key")));
        Assert.Contains("comes from the configuration", Text(entries[6], "reason"), StringComparison.Ordinal);
        bed.AssertNoSecrets(entries, "hidden");
    }

    [Fact]
    public async Task Audit_HookAndConfiguration_ActorRecorded()
    {
        await using var bed = await Bed.StartAsync();
        await bed.SendAsync(HttpMethod.Post, "/bridge/instances/sim-1/drain", key: bed.HookKey);
        bed.Bridge.Configuration.Change(data =>
        {
            data["Bridge:Instances:0:Slots"] = "9";
            data["Bridge:Instances:1:Url"] = bed.Fleet[1].Url.ToString();
            data["Bridge:Instances:1:Name"] = "sim-2";
        });
        bed.Bridge.Configuration.Change(data =>
        {
            data["Bridge:Tenants:clients:Weight"] = "7";
            data["Bridge:Models:0:Name"] = "gpt-4";
            data["Bridge:Models:0:Target"] = TestFleet.Model;
        });
        await bed.Bridge.UntilAsync(s => s.Instances.Length == 2, "the second instance is there");

        var settings = await bed.AuditAsync(1, "?action=tenant");
        Assert.Equal(("clients", "configuration", 7.0), (Text(settings[0], "target"), Text(settings[0], "actor"), settings[0]["after"]!["weight"]!.GetValue<double>()));
        Assert.Equal("gpt-4", Text(Assert.Single(await bed.AuditAsync(1, "?action=model.put")), "target"));
        bed.AssertNoSecrets(settings);
        var entries = (await bed.AuditAsync(5)).Where(e => Text(e, "action").StartsWith("instance", StringComparison.Ordinal) || Text(e, "action").StartsWith("drain", StringComparison.Ordinal)).ToList();

        Assert.Equal(
            ["instance.add sim-2 configuration", "instance.change sim-1 configuration", "drain.start sim-1 cluster hook"],
            entries.Select(e => $"{Text(e, "action")} {Text(e, "target")} {Text(e, "actor")}"));
        Assert.Equal((4, 9), (entries[1]["before"]!["slots"]!.GetValue<int>(), entries[1]["after"]!["slots"]!.GetValue<int>()));
        Assert.Null(entries[1]["address"]);
    }

    [Fact]
    public async Task Audit_PagesAndFilters_NewestFirst()
    {
        await using var bed = await Bed.StartAsync();
        for (var i = 0; i < 5; i++)
            await bed.SendAsync(HttpMethod.Put, $"/bridge/tenants/t{i}", new { weight = 1 });
        await bed.SendAsync(HttpMethod.Post, "/bridge/tenants/t1/keys");
        var seen = new List<string>();
        for (var next = "/bridge/audit?limit=4&action=tenant"; next is not null;)
        {
            using var page = await bed.GetAsync(next);
            seen.AddRange((await page.Content.ReadFromJsonAsync<JsonArray>(Token))!.Select(e => Text(e!, "target")));
            next = page.Headers.TryGetValues("Link", out var link) ? link.Single().Split('<', '>')[1] : null;
        }

        Assert.Equal(["t4", "t3", "t2", "t1", "t0"], seen);
        var all = await bed.AuditAsync();
        Assert.Equal(["key.add", "tenant.put"], (await bed.AuditAsync(query: "?target=t1")).Select(e => Text(e, "action")));
        Assert.Equal(5, (await bed.AuditAsync(query: "?target=T*&action=tenant.put")).Count);
        Assert.Equal(2, (await bed.AuditAsync(query: $"?since={Uri.EscapeDataString(Text(all[1], "time"))}")).Count(e => all.Take(2).Any(a => Text(a, "id") == Text(e, "id"))));
        Assert.Empty(await bed.AuditAsync(query: "?since=2999-01-01"));
        foreach (var wrong in (string[])["?limit=0", "?limit=1001", "?limit=x", "?since=yesterday"])
        {
            using var answer = await bed.GetAsync("/bridge/audit" + wrong);
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        }
    }

    [Fact]
    public async Task Audit_WithoutAdminKey_Refused()
    {
        await using var bed = await Bed.StartAsync();
        foreach (var key in (string?[])[null, bed.InferenceKey, bed.HookKey])
        {
            using var answer = await bed.GetAsync("/bridge/audit", key ?? "");
            Assert.True(answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden);
        }
    }

    [Fact]
    public async Task Audit_ManyAttemptsWithoutKey_OperatorChangesKept()
    {
        await using var bed = await Bed.StartAsync(("Bridge:Audit:Entries", "10"), ("Bridge:Audit:AttemptsPerMinute", "3"));
        await bed.SendAsync(HttpMethod.Put, "/bridge/tenants/team-a", new { weight = 2 });
        for (var i = 0; i < 20; i++)
            await bed.SendAsync(HttpMethod.Delete, "/bridge/tenants/team-a", null, HttpStatusCode.Unauthorized, key: "");
        for (var i = 0; i < 20; i++)
            await bed.SendAsync(HttpMethod.Post, "/api/generate", new { model = TestFleet.Model, keep_alive = 0 }, HttpStatusCode.OK, key: bed.InferenceKey);
        await Eventually.BecomesAsync(() => bed.Logged("Information 1865 model.unload") == 20, TimeSpan.FromSeconds(10));

        var entries = await bed.AuditAsync();

        Assert.Equal(
            ["model.unload", "model.unload", "model.unload", "tenant.remove", "tenant.remove", "tenant.remove", "tenant.put"], entries.Select(e => Text(e, "action")));
        Assert.Equal(20, bed.Logged("Warning 1860 tenant.remove"));
    }

    [Fact]
    public async Task Endpoints_ChangingState_AllHaveAuditAction()
    {
        await using var bed = await Bed.StartAsync();
        var changing = bed.Bridge.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Where(e => e.RoutePattern.RawText?.StartsWith("/bridge", StringComparison.Ordinal) == true
                && e.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods.Any(m => m is not ("GET" or "HEAD")) == true)
            .ToList();

        Assert.NotEmpty(changing);
        Assert.All(changing, e => Assert.NotNull(e.Metadata.GetMetadata<AuditedAction>()));
        Assert.Contains("/bridge/audit", (await bed.Bridge.GetJsonAsync("/bridge/openapi.json", bed.Key)).ToJsonString(), StringComparison.Ordinal);
    }

    private static string Text(JsonNode entry, string property) => entry[property]?.GetValue<string>() ?? "";

    private sealed class Bed : IAsyncDisposable
    {
        private readonly string[] _secrets;

        private Bed(TestFleet fleet, TestBridge bridge, (string Key, KeyVerifier Verifier)[] keys)
        {
            (Fleet, Bridge) = (fleet, bridge);
            (Key, InferenceKey, HookKey) = (keys[0].Key, keys[1].Key, keys[2].Key);
            (KeyId, InferenceKeyId) = (keys[0].Verifier.Id, keys[1].Verifier.Id);
            _secrets = [.. keys.SelectMany(k => Secrets(k.Key, k.Verifier.ToString()))];
        }

        public TestFleet Fleet { get; }

        public TestBridge Bridge { get; }

        public string Key { get; }

        public string KeyId { get; }

        public string InferenceKey { get; }

        public string InferenceKeyId { get; }

        public string HookKey { get; }

        public static async Task<Bed> StartAsync(params (string, string)[] settings)
        {
            (string, KeyVerifier)[] keys = [ApiKey.Create(), ApiKey.Create(), ApiKey.Create()];
            var fleet = await TestFleet.StartAsync(2, SimulatorOptions.Instant with { ParallelSlots = 4, RemoteModels = [TestFleet.Plain("qwen3:4b")] });
            var bridge = await TestBridge.StartAsync([fleet[0]], [
                ("Bridge:Tenants:ops:Keys:0", keys[0].Item2.ToString()), ("Bridge:Tenants:ops:Scopes", "Inference, Management, Admin"),
                ("Bridge:Tenants:clients:Keys:0", keys[1].Item2.ToString()),
                ("Bridge:Tenants:hooks:Keys:0", keys[2].Item2.ToString()), ("Bridge:Tenants:hooks:Scopes", "Drain"),
                .. settings]);
            await bridge.UntilAsync(s => s.AnyCatalogKnown, "the model list is read");
            return new Bed(fleet, bridge, keys);
        }

        public async Task<JsonNode> SendAsync(HttpMethod method, string path, object? body = null, HttpStatusCode? expected = null, string? key = null)
        {
            using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
            if (key != "")
                request.Headers.Authorization = new("Bearer", key ?? Key);
            using var answer = await Bridge.Client.SendAsync(request, Token);
            var text = await answer.Content.ReadAsStringAsync(Token);
            if (expected is { } status)
                Assert.True(status == answer.StatusCode, $"{method} {path}: {answer.StatusCode} {text}");
            else if (path.StartsWith("/bridge", StringComparison.Ordinal))
                Assert.True(answer.IsSuccessStatusCode, $"{method} {path}: {answer.StatusCode} {text}");
            return text.StartsWith('{') && path.StartsWith("/bridge", StringComparison.Ordinal) ? JsonNode.Parse(text)! : new JsonObject();
        }

        public Task<HttpResponseMessage> GetAsync(string path, string? key = null)
        {
            var request = new HttpRequestMessage(HttpMethod.Get, path);
            if (key != "")
                request.Headers.Authorization = new("Bearer", key ?? Key);
            return Bridge.Client.SendAsync(request, Token);
        }

        /// <summary>Returns the entries, newest first. A client receives its response shortly before a model's change is recorded.</summary>
        public async Task<List<JsonNode>> AuditAsync(int count = 0, string query = "")
        {
            List<JsonNode> entries = [];
            await Eventually.BecomesAsync(
                async () =>
                {
                    using var answer = await GetAsync("/bridge/audit" + query);
                    entries = [.. (await answer.Content.ReadFromJsonAsync<JsonArray>(Token))!.Select(e => e!)];
                    return entries.Count >= count;
                },
                TimeSpan.FromSeconds(10));
            return entries;
        }

        public int Logged(string beginning) => Bridge.Logs.Lines.Count(l => l.StartsWith(beginning, StringComparison.Ordinal));

        public void AssertNoSecrets(List<JsonNode> entries, params string[] more)
        {
            var audit = string.Concat(entries.Select(e => e.ToJsonString()));
            foreach (var secret in _secrets.Concat(more.SelectMany(m => Secrets(m, ""))))
            {
                Assert.DoesNotContain(secret, audit, StringComparison.Ordinal);
                Assert.DoesNotContain(Bridge.Logs.Lines, l => l.Contains(secret, StringComparison.Ordinal));
            }
        }

        public async ValueTask DisposeAsync()
        {
            await Bridge.DisposeAsync();
            await Fleet.DisposeAsync();
        }

        /// <summary>Returns the secret part of a key, and its stored hash.</summary>
        private static IEnumerable<string> Secrets(string key, string verifier) =>
            [key[(key.IndexOf('-', Math.Min(3, key.Length - 1)) + 1)..], .. verifier.Split('.').Skip(1)];
    }
}
