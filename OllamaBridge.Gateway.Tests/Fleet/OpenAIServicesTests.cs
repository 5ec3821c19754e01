using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Tests.Fleet;

public class OpenAIServicesTests
{
    [Fact]
    public void Read_OpenAI_AsConfigured()
    {
        var options = new InstanceOptions
        {
            Url = "http://v:8000",
            Kind = InstanceKind.OpenAI,
            Models = ["Org/Model"],
            Routes = ApiRoutes.Responses,
            HealthPath = "/ready",
            ApiKey = "sk-1",
        };
        var errors = new List<string>();

        var definition = Assert.Single(InstanceDefinitions.Read(new FleetOptions { Instances = [options] }, errors));

        Assert.Empty(errors);
        Assert.Equal(InstanceKind.OpenAI, definition.Kind);
        Assert.Equal(new OpenAIService(["Org/Model"], ApiRoutes.Responses, "/ready"), definition.OpenAI);
        Assert.Equal("sk-1", definition.ApiKey!.Value);
        // A second read returns an equal definition, so nothing changes.
        Assert.Equal(definition, Assert.Single(InstanceDefinitions.Read(new FleetOptions { Instances = [options] }, errors)));
        Assert.DoesNotContain("sk-1", definition.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_OtherModels_DifferentDefinition()
    {
        InstanceDefinition Read(params string[] models) => InstanceDefinitions.Read(
            new FleetOptions { Instances = [new() { Url = "v", Kind = InstanceKind.OpenAI, Models = models }] }, [])[0];
        Assert.NotEqual(Read("a", "b"), Read("a", "c"));
    }

    [Fact]
    public void Read_Errors_EachNamesItsKeyWithoutSecret()
    {
        var errors = new List<string>();
        InstanceDefinitions.Read(
            new FleetOptions
            {
                Instances =
                [
                    new() { Url = "a", Models = ["x"], Routes = ApiRoutes.Messages, HealthPath = "/h" },
                    new() { Url = "b", Kind = InstanceKind.OpenAI, Models = ["x", "x", "a\u0007b", ""], HealthPath = "health", MaxLoadedModels = 2, Routes = ApiRoutes.Ollama },
                    new() { Url = "c", Kind = InstanceKind.OpenAI, ApiKey = "sk secret" },
                ],
            },
            errors);

        Assert.Equal(
            [
                "Bridge:Instances:0:Models", "Bridge:Instances:0:Routes", "Bridge:Instances:0:HealthPath",
                "Bridge:Instances:1:MaxLoadedModels", "Bridge:Instances:1:Routes", "Bridge:Instances:1:HealthPath",
                "Bridge:Instances:1:Models:1", "Bridge:Instances:1:Models:2", "Bridge:Instances:1:Models:3",
                "Bridge:Instances:2:ApiKey",
            ],
            errors.Select(e => e[..e.IndexOf(": ", StringComparison.Ordinal)]));
        Assert.DoesNotContain(errors, e => e.Contains("secret", StringComparison.Ordinal));
    }
}
