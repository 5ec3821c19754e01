using System.Globalization;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace OllamaBridge.Hosting;

/// <summary>A simulated Ollama server: the whole API, generated text, no GPU.</summary>
internal interface ISimulatedOllama : IResourceWithEndpoints, IResourceWithEnvironment, IResourceWithArgs, IResourceWithWaitSupport, IResourceWithProbes;

/// <summary>The simulator as a project of this repository.</summary>
internal sealed class SimulatedOllamaProjectResource(string name) : ProjectResource(name), ISimulatedOllama;

/// <summary>The simulator as a .NET tool.</summary>
internal sealed class SimulatedOllamaToolResource(string name) : DotnetToolResource(name, Programs.SimulatorPackage), ISimulatedOllama;

/// <summary>Creates simulated instances.</summary>
internal static class SimulatedInstances
{
    public static BridgeInstance Add(IResourceBuilder<IOllamaBridgeResource> bridge, InstanceTier tier, string name, int index)
    {
        if (bridge.ApplicationBuilder.ExecutionContext.IsPublishMode)
            throw new DistributedApplicationException(
                "Simulated instances cannot be published. Add containers (OllamaBridge.Hosting.Containers) or external instances instead.");
        var simulator = AddProgram(bridge.ApplicationBuilder, name)
            .WithHttpEndpoint(name: BridgeModel.HttpEndpoint)
            .WithHttpHealthCheck("/")
            .WithEnvironment(context => InstanceEnvironment.Write(context, tier, gpu: null))
            .WithParentRelationship(bridge)
            .WithIconName("BrainCircuit");
        var endpoint = simulator.GetEndpoint(BridgeModel.HttpEndpoint);
        simulator.WithArgs(context =>
        {
            context.Args.Add("--port");
            context.Args.Add(endpoint.Property(EndpointProperty.TargetPort));
            context.Args.Add("--models");
            context.Args.Add(string.Join(',', ModelsOf(bridge.Resource.Fleet, tier)));
            context.Args.Add("--slots");
            context.Args.Add((tier.Server.Parallel ?? 1).ToString(CultureInfo.InvariantCulture));
        });
        return new BridgeInstance(name, tier, simulator, endpoint, $"http://{name}");
    }

    private static IResourceBuilder<ISimulatedOllama> AddProgram(IDistributedApplicationBuilder builder, string name) =>
        Programs.Of(builder).Simulator is { } project
            ? Programs.AddProject(builder, new SimulatedOllamaProjectResource(name), project())
            : Programs.AddTool(builder, new SimulatedOllamaToolResource(name));

    /// <summary>The models of an instance. Only a cold tier has its own models; otherwise no request would ever start the tier.</summary>
    private static IEnumerable<string> ModelsOf(BridgeModel fleet, InstanceTier tier) => tier.StartsOnDemand
        ? tier.OwnModels
        : fleet.Models.Except(fleet.Tiers.Where(t => t.StartsOnDemand).SelectMany(t => t.OwnModels), StringComparer.OrdinalIgnoreCase);
}
