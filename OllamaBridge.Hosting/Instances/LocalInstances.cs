using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace OllamaBridge.Hosting;

/// <summary><c>ollama serve</c> from PATH.</summary>
internal sealed class LocalOllamaResource(string name, string workingDirectory)
    : ExecutableResource(name, LocalInstances.Program, workingDirectory), IResourceWithServiceDiscovery;

/// <summary>Creates local instances: several servers with the user's own model folder.</summary>
internal static class LocalInstances
{
    public const string Program = "ollama";
    private const string HelpLink = "https://ollama.com/download";

    public static BridgeInstance Add(IResourceBuilder<IOllamaBridgeResource> bridge, InstanceTier tier, string name, int index)
    {
        var builder = bridge.ApplicationBuilder;
        if (builder.ExecutionContext.IsPublishMode)
            throw new DistributedApplicationException(
                "Local instances cannot be published. Add containers (OllamaBridge.Hosting.Containers) or external instances instead.");
        var gpus = new Lazy<GpuPlan>(() => Choices.Gpus(tier.Gpus, publish: false, bridge.Resource.Fleet.Host).Value);
        var temporary = Path.Combine(Path.GetTempPath(), "ollamabridge", Path.GetFileName(builder.AppHostDirectory), name);

        var ollama = builder.AddResource(new LocalOllamaResource(name, builder.AppHostDirectory))
            .ExcludeFromManifest()
            .WithArgs("serve")
            .WithHttpEndpoint(name: BridgeModel.HttpEndpoint)
            .WithHttpHealthCheck("/")
            .WithRequiredCommand(Program, HelpLink)
            .WithParentRelationship(bridge)
            .WithIconName("BrainCircuit")
            .OnBeforeResourceStarted((_, _, _) =>
            {
                Directory.CreateDirectory(temporary);
                return Task.CompletedTask;
            });
        var endpoint = ollama.GetEndpoint(BridgeModel.HttpEndpoint);
        ollama.WithEnvironment(context =>
        {
            InstanceEnvironment.Write(context, tier, gpus.Value.EnvironmentOf(index, isContainer: false));
            context.EnvironmentVariables["OLLAMA_HOST"] = ReferenceExpression.Create($"127.0.0.1:{endpoint.Property(EndpointProperty.TargetPort)}");
            // Servers that share a temporary folder can remove each other's files.
            context.EnvironmentVariables[OperatingSystem.IsWindows() ? "TMP" : "TMPDIR"] = temporary;
        });
        if (index == 0)
            builder.OnBeforeStart((started, _) =>
            {
                GpuLog.Write(started.Services.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(LocalInstances).Namespace!), bridge.Resource.Fleet);
                return Task.CompletedTask;
            });
        return new BridgeInstance(name, tier, ollama, endpoint, $"http://{name}");
    }
}
