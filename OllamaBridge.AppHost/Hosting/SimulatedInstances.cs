using System.Globalization;

namespace OllamaBridge.Hosting;

/// <summary>A simulated Ollama server: faithful API, made-up answers, no GPU.</summary>
/// <param name="name">The resource's name.</param>
public sealed class SimulatedOllamaResource(string name) : ProjectResource(name);

/// <summary>Simulated servers, which have the fleet's models from the start.</summary>
internal sealed class SimulatedInstances : IInstanceBackend
{
    private const string Endpoint = "http";

    /// <inheritdoc/>
    public bool PullsModels => false;

    /// <inheritdoc/>
    public BridgeInstance Add(IResourceBuilder<OllamaBridgeResource> bridge, InstanceTier tier, string name, int index)
    {
        var simulator = bridge.ApplicationBuilder.AddResource(new SimulatedOllamaResource(name))
            .WithAnnotation(new Projects.OllamaBridge_Simulator())
            .WithProjectDefaults(new ProjectResourceOptions { ExcludeLaunchProfile = true })
            .WithHttpEndpoint(name: Endpoint)
            .WithHttpHealthCheck("/")
            .WithEnvironment(context => InstanceBackends.Configure(context, tier, gpu: null))
            .WithIconName("BrainCircuit");
        var endpoint = simulator.GetEndpoint(Endpoint);
        simulator.WithArgs(context =>
        {
            context.Args.Add("--port");
            context.Args.Add(endpoint.Property(EndpointProperty.TargetPort));
            context.Args.Add("--models");
            context.Args.Add(string.Join(',', ModelsOf(bridge.Resource, tier)));
            context.Args.Add("--slots");
            context.Args.Add((tier.Server.Parallel ?? 1).ToString(CultureInfo.InvariantCulture));
        });
        return new BridgeInstance(name, tier, simulator, endpoint, $"http://{name}");
    }

    /// <summary>What its instances have from the start: a cold tier's models nobody else has, or nobody would ever have to wake it.</summary>
    private static IEnumerable<string> ModelsOf(OllamaBridgeResource bridge, InstanceTier tier) => tier.StartsOnDemand
        ? tier.OwnModels
        : bridge.Models.Except(bridge.Tiers.Where(t => t.StartsOnDemand).SelectMany(t => t.OwnModels), StringComparer.OrdinalIgnoreCase);
}
