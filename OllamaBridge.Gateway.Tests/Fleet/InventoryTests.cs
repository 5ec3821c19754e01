using System.Text;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Fleet;

public class InventoryTests
{
    private static readonly DateTimeOffset Day = FleetBuilder.Day;

    [Fact]
    public void Build_NoInstances_EmptyLists()
    {
        var inventory = Inventory.Build([]);
        Assert.Equal("""{"models":[]}""", Text(inventory.Tags));
        Assert.Equal("""{"models":[]}""", Text(inventory.Running));
        Assert.Equal("""{"object":"list","data":[]}""" + "\n", Text(inventory.OpenAIModels));
        Assert.True(inventory.Version.IsEmpty);
    }

    [Fact]
    public void Tags_NewestFirst_BytesKept()
    {
        const string Odd = """{ "name" : "b", "x":1.0e2 , "new":[ ],"é":"\u00e9\/" }""";
        var inventory = Of(("i", [FleetBuilder.Model("a", Day)]), ("j", [FleetBuilder.Model("b", Day.AddSeconds(1), Odd)]));
        Assert.Equal($$"""{"models":[{{Odd}},{"name":"a"}]}""", Text(inventory.Tags));
    }

    [Fact]
    public void Tags_SameModelTwice_NewerEntryOnce()
    {
        var old = FleetBuilder.Model("Tiny", Day, "\"old\"");
        var recent = FleetBuilder.Model("library/tiny:latest", Day.AddDays(1), "\"recent\"");
        Assert.Equal("""{"models":["recent"]}""", Text(Of(("i", [old]), ("j", [recent])).Tags));
        Assert.Equal("""{"models":["recent"]}""", Text(Of(("j", [recent]), ("i", [old])).Tags));
    }

    [Fact]
    public void Build_ModelInTwoRegions_LocalEntryAndOtherModels()
    {
        var fleet = new FleetBuilder().WithPeer("us", "tiny theirs", loaded: "tiny theirs").With("i", "tiny", loaded: "tiny")
            .Change("us", v => v with
            {
                Catalog = [FleetBuilder.Model("tiny", Day.AddDays(9), "\"newer there\""), FleetBuilder.Model("theirs", Day, "\"theirs\"")],
                Loaded = [FleetBuilder.InMemory("tiny", Day.AddDays(9), "\"longer there\""), FleetBuilder.InMemory("theirs", Day, "\"theirs\"")],
            });

        var inventory = Inventory.Of(fleet.Build());

        Assert.Equal("""{"models":[{"name":"tiny"},"theirs"]}""", Text(inventory.Tags));
        Assert.Equal("""{"models":["theirs",{"name":"tiny"}]}""", Text(inventory.Running));
    }

    [Fact]
    public void Tags_WithinOneSecond_InstancesOrder()
    {
        // The order of a real server: recording 01-tags has an older model before a newer one of the same second.
        CatalogModel older = FleetBuilder.Model("b", Day), newer = FleetBuilder.Model("a", Day.AddMilliseconds(900));
        Assert.Equal("""{"models":[{"name":"b"},{"name":"a"}]}""", Text(Of(("i", [older, newer]), ("j", [older, newer])).Tags));
        Assert.Equal("""{"models":[{"name":"a"},{"name":"b"}]}""", Text(Of(("i", [newer, older])).Tags));
    }

    [Fact]
    public void OpenAIModels_AsRecorded()
    {
        // Recording 03-v1-models, built from the models of 01-tags.
        var inventory = Of(("i",
        [
            FleetBuilder.Model("slow:latest", DateTimeOffset.Parse("2026-11-23T21:10:21.4144445Z", null)),
            FleetBuilder.Model("endless:latest", DateTimeOffset.Parse("2026-11-23T21:10:21.7891049Z", null)),
            FleetBuilder.Model("me/x:1", DateTimeOffset.Parse("2026-11-23T22:09:52+01:00", null)),
        ]));
        Assert.Equal(
            """{"object":"list","data":[{"id":"slow:latest","object":"model","created":1795468221,"owned_by":"library"},"""
            + """{"id":"endless:latest","object":"model","created":1795468221,"owned_by":"library"},"""
            + """{"id":"me/x:1","object":"model","created":1795468192,"owned_by":"me"}]}""" + "\n",
            Text(inventory.OpenAIModels));
    }

    [Theory]
    [InlineData("Healthy", true)]
    [InlineData("Unhealthy", false)]
    [InlineData("Ejected", false)]
    [InlineData("Unknown", false)]
    public void Running_OnlyOfHealthy(string status, bool shown)
    {
        var view = View("i", []) with { Status = Enum.Parse<InstanceStatus>(status), Loaded = FleetBuilder.Loaded("a") };
        Assert.Equal(shown ? """{"models":[{"name":"a"}]}""" : """{"models":[]}""", Text(Inventory.Build([view]).Running));
    }

    [Fact]
    public void Running_SameModelTwice_LaterExpiry()
    {
        var soon = View("i", []) with { Loaded = [FleetBuilder.InMemory("a", Day, "1")] };
        var late = View("j", []) with { Loaded = [FleetBuilder.InMemory("A", Day.AddMinutes(1), "2"), FleetBuilder.InMemory("b", Day.AddHours(1), "3")] };
        Assert.Equal("""{"models":[3,2]}""", Text(Inventory.Build([soon, late]).Running));
        Assert.Equal("""{"models":[3,2]}""", Text(Inventory.Build([late, soon]).Running));
    }

    [Theory]
    [InlineData("0.32.15,0.9.1,0.32.2", "0.9.1")]
    [InlineData("0.32.15,0.32.15-rc1", "0.32.15")]
    [InlineData("0.10.0,0.9.9", "0.9.9")]
    [InlineData("0.1.2,", "0.1.2")]
    [InlineData("0.1.2,strange", "strange")]
    public void Version_OldestOfHealthy(string versions, string expected)
    {
        var views = versions.Split(',').Select((v, i) => View($"{i}", []) with { Version = v.Length == 0 ? null : v });
        Assert.Equal($$"""{"version":"{{expected}}"}""", Text(Inventory.Build([.. views]).Version));
    }

    [Fact]
    public void Version_UnhealthyInstance_Ignored()
    {
        var down = View("i", []) with { Version = "0.1.0", Status = InstanceStatus.Unhealthy };
        Assert.True(Inventory.Build([down]).Version.IsEmpty);
        Assert.Equal("""{"version":"0.32.15"}""", Text(Inventory.Build([down, View("j", [])]).Version));
    }

    private static Inventory Of(params (string Name, CatalogModel[] Models)[] instances) =>
        Inventory.Build([.. instances.Select(i => View(i.Name, i.Models))]);

    private static InstanceView View(string name, CatalogModel[] models) => new(
        new Instance(new InstanceDefinition(name, new Uri($"http://{name}x"), 1, 0)), InstanceStatus.Healthy, false, true, [.. models], [], "0.32.15", null);

    private static string Text(ReadOnlyMemory<byte> bytes) => Encoding.UTF8.GetString(bytes.Span);
}
