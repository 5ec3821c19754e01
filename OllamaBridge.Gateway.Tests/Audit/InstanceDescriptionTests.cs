using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.State;

namespace OllamaBridge.Gateway.Tests.Audit;

public sealed class InstanceDescriptionTests
{
    private readonly IOptions<AuditOptions> _options = Options.Create(new AuditOptions());
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task RecordChanges_ListsOfConfigurationAndDiscovery_OnlyDifferences()
    {
        var store = new MemoryAuditStore(_options);
        var trail = new AuditTrail(store, _options, _time, NullLoggerFactory.Instance);
        var stays = Instance("stays");
        InstanceDescription.RecordChanges(
            trail,
            [stays, Instance("grows"), Instance("pod-0") with { IsDiscovered = true }],
            [stays with { IsLeaving = true, ApiKey = new InstanceKey("secret") }, Instance("GROWS") with { Slots = 4 }, Instance("pod-1") with { IsDiscovered = true }]);

        var entries = (await store.ReadAsync(new AuditFilter(10), TestContext.Current.CancellationToken)).Entries;

        Assert.Equal(
            ["instance.add pod-1 discovery", "instance.change GROWS configuration", "instance.remove pod-0 discovery"],
            entries.Select(e => $"{e.Action} {e.Target} {e.Actor}"));
        Assert.Null(entries[0].Before);
        Assert.Null(entries[2].After);
    }

    [Fact]
    public async Task Record_ClockSetBack_LaterEntriesSortAsNewer()
    {
        var store = new MemoryAuditStore(_options);
        var trail = new AuditTrail(store, _options, _time, NullLoggerFactory.Instance);
        trail.Record("bridge", AuditActions.DrainStart, "first", null, null);
        _time.AdjustTime(_time.GetUtcNow().AddHours(-1));
        trail.Record("bridge", AuditActions.DrainEnd, "second", null, null);

        Assert.Equal(["second", "first"], (await store.ReadAsync(new AuditFilter(10), TestContext.Current.CancellationToken)).Entries.Select(e => e.Target));
    }

    [Theory]
    [InlineData("http://user:password@host/x", "http://…@host/x")]
    [InlineData("user:password@host/x", "…@host/x")]
    [InlineData("a\nb\u001b[31m", "a?b?[31m")]
    [InlineData("qwen3:8b", "qwen3:8b")]
    public void Clean_RequestText_SafeForLog(string text, string expected) => Assert.Equal(expected, AuditText.Clean(text));

    [Fact]
    public void Clean_LongText_Truncated() => Assert.Equal(500, AuditText.Clean(new string('a', 10_000)).Length);

    private static InstanceDefinition Instance(string name) => new(name, new Uri($"http://{name}:11434"), 1, 0);
}
