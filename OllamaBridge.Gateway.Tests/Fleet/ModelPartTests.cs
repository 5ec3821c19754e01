using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Gateway.Tests.Fleet;

/// <summary>The instances of a model that each protocol can use.</summary>
public class ModelPartTests
{
    [Theory]
    [InlineData(ApiRoutes.Ollama, "Org/Model", "o")]
    [InlineData(ApiRoutes.OpenAI, "Org/Model", "o v")]
    [InlineData(ApiRoutes.OpenAI, "org/model", "o w")] // ids are case-sensitive
    [InlineData(ApiRoutes.OpenAI, "Org/Model:latest", "o")]
    [InlineData(ApiRoutes.OpenAI, null, "o")]
    [InlineData(ApiRoutes.Responses, "Org/Model", "o v")]
    [InlineData(ApiRoutes.Responses, "org/model", "o")]
    [InlineData(ApiRoutes.Messages, "Org/Model", "o")]
    [InlineData(ApiRoutes.None, null, "o v w")]
    public void Find_ModelOnBothKinds_PlacementsWithRouteAndExactId(object route, string? name, string instances)
    {
        var fleet = new FleetBuilder().With("o", "org/model").WithOpenAI("v", "Org/Model", ApiRoutes.Responses).WithOpenAI("w", "org/model").Build();

        var found = fleet.Find("org/model:latest", new ModelPart((ApiRoutes)route, name));

        Assert.Equal(instances, string.Join(' ', found!.Placements.Select(p => p.Instance.Name)));
    }

    [Theory]
    [InlineData(ApiRoutes.Ollama, "Org/Model", false)]
    [InlineData(ApiRoutes.OpenAI, "Org/Model", true)]
    [InlineData(ApiRoutes.OpenAI, "org/model", false)]
    [InlineData(ApiRoutes.Transcriptions, "Org/Model", false)]
    public void Find_ModelOnlyOnOpenAIServers_OnlyForOpenAIRoutes(object route, string name, bool found)
    {
        var fleet = new FleetBuilder().With("o", "other").WithOpenAI("v", "Org/Model").Build();
        Assert.Equal(found, fleet.Find("org/model:latest", new ModelPart((ApiRoutes)route, name)) is not null);
    }

    [Fact]
    public void Find_OnlyOllamaServers_WholeModel()
    {
        var fleet = new FleetBuilder().With("o").With("p").Build();
        var whole = fleet.Models["a:latest"];

        Assert.Null(whole.Parts);
        Assert.All(Enum.GetValues<ApiRoutes>(), route => Assert.Same(whole, fleet.Find("a:latest", new ModelPart(route, "A"))));
    }

    [Fact]
    public void Find_PartsWithSameInstances_Shared()
    {
        var fleet = new FleetBuilder().With("o").WithOpenAI("v", "a").Build();

        var native = fleet.Find("a:latest", new ModelPart(ApiRoutes.Ollama, "a"));
        Assert.Same(native, fleet.Find("a:latest", new ModelPart(ApiRoutes.Messages, "a")));
        Assert.NotEqual(default, native!.Part);
        // If all instances can serve a request, the part is the whole model.
        Assert.Same(fleet.Models["a:latest"], fleet.Find("a:latest", new ModelPart(ApiRoutes.OpenAI, "a")));
        // A part resolves to itself, because queues use it as their key.
        Assert.Same(native, fleet.Find("a:latest", native.Part));
    }

    [Fact]
    public void Find_NoModel_NoOpenAIServer()
    {
        var fleet = new FleetBuilder().With("o").WithOpenAI("v", "a").Build();
        Assert.Equal(["o"], fleet.Find("", new ModelPart(ApiRoutes.OpenAI, null))!.Placements.Select(p => p.Instance.Name));
        Assert.Null(new FleetBuilder().WithOpenAI("v", "a").Build().Find("", default));
    }

    [Fact]
    public void Decide_MixedFleet_AllocatesNothing()
    {
        var builder = new FleetBuilder().With("o", loaded: "a").WithOpenAI("v", "a").WithOpenAI("w", "a", ApiRoutes.Messages);
        var fleet = builder.Build();
        var scheduler = Deciding.Scheduler(TimeProvider.System);
        string? Decide(ApiRoutes route) => scheduler.Decide(new SchedulingRequest(
            fleet.Find("a:latest", new ModelPart(route, "a"))!, 7, null, null, true, 0, 0)).Placement?.Instance.Name;
        Assert.Equal("o", Decide(ApiRoutes.Ollama));
        Assert.NotNull(Decide(ApiRoutes.OpenAI));

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
            Decide(i % 2 == 0 ? ApiRoutes.Ollama : ApiRoutes.Messages);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Theory]
    [InlineData(false, true, false)] // an Ollama server without a catalog: its models are not unknown
    [InlineData(true, true, true)]
    [InlineData(null, true, true)]
    public void AnyCatalogKnown_MixedFleet_OnlyCapableInstancesCount(bool? ollama, bool openAI, bool known)
    {
        var builder = new FleetBuilder();
        if (ollama is { } told)
            builder.With("o").Change("o", v => v with { CatalogKnown = told });
        if (openAI)
            builder.WithOpenAI("v", "a");
        Assert.Equal(known, builder.Build().AnyCatalogKnown);
    }

    [Fact]
    public void Build_OpenAIServer_ModelsAlwaysLoaded()
    {
        var builder = new FleetBuilder().WithOpenAI("v", "a b A");
        var fleet = builder.Build();
        builder.Observe("v", loaded: "", askedAt: 1_000_000);

        Assert.Equal(["a:latest", "b:latest"], fleet.Models.Keys.Order());
        var placements = fleet.Models.Values.SelectMany(m => m.Placements).ToList();
        Assert.Equal(["A", "a", "b"], placements.Select(p => p.Id!).Order(StringComparer.Ordinal));
        Assert.All(placements, p => Assert.True(p.State.IsLoaded));
        // Copies on other instances don't count if Ollama's requests can't use them.
        Assert.Equal(0, fleet.Models["a:latest"].State.Copies);
    }
}
