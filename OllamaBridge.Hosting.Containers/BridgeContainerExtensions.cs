using Aspire.Hosting.ApplicationModel;
using OllamaBridge.Hosting;

namespace Aspire.Hosting;

/// <summary>Adds Ollama containers and Open WebUI to a bridge, through the Community Toolkit's Ollama integration.</summary>
public static class BridgeContainerExtensions
{
    /// <summary>Adds Ollama containers with one shared model volume and one GPU each.</summary>
    /// <remarks>In a published application all instances of a tier are one resource, which the platform replicates.</remarks>
    /// <param name="bridge">The bridge.</param>
    /// <param name="count">The number of instances to add.</param>
    /// <param name="tier">The name of their tier; null for the default one.</param>
    [AspireExport]
    public static IResourceBuilder<IOllamaBridgeResource> WithContainerInstances(
        this IResourceBuilder<IOllamaBridgeResource> bridge, int count, string? tier = null) =>
        bridge.AddInstances(count, tier, ContainerInstances.Add, pullsModels: true);

    /// <summary>Adds the chat page Open WebUI, connected to the bridge.</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="configure">Configures the container.</param>
    [AspireExportIgnore(Reason = "Callbacks on the toolkit's resource are not available in other languages.")]
    public static IResourceBuilder<IOllamaBridgeResource> WithOpenWebUI(
        this IResourceBuilder<IOllamaBridgeResource> bridge, Action<IResourceBuilder<OpenWebUIResource>>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        var fleet = bridge.Resource.Fleet;
        var view = bridge.ApplicationBuilder.CreateResourceBuilder(new OllamaView(bridge.Resource));
        view.WithOpenWebUI(container =>
        {
            // The toolkit waits for the view, which does not run; the bridge does.
            if (container.Resource.Annotations.OfType<WaitAnnotation>().FirstOrDefault(w => w.Resource == view.Resource) is { } wait)
                container.Resource.Annotations.Remove(wait);
            container.WaitFor(bridge).WithParentRelationship(bridge).WithIconName("Chat").WithEnvironment(context =>
            {
                if (fleet.ClientKey is not { } key)
                    return;
                // Open WebUI takes keys from the environment for OpenAI servers only.
                context.EnvironmentVariables["ENABLE_OLLAMA_API"] = "false";
                context.EnvironmentVariables["OPENAI_API_BASE_URL"] = ReferenceExpression.Create($"{fleet.PrimaryEndpoint.Property(EndpointProperty.Url)}/v1");
                context.EnvironmentVariables["OPENAI_API_KEY"] = key;
            });
            configure?.Invoke(container);
        });
        return bridge;
    }

    /// <summary>The bridge as the toolkit's Ollama resource. It is not part of the application model.</summary>
    private sealed class OllamaView(IOllamaBridgeResource bridge) : Resource(bridge.Name), IOllamaResource
    {
        public IReadOnlyList<string> Models => bridge.Models;

        public EndpointReference PrimaryEndpoint => bridge.PrimaryEndpoint;

        public EndpointReferenceExpression Host => PrimaryEndpoint.Property(EndpointProperty.Host);

        public EndpointReferenceExpression Port => PrimaryEndpoint.Property(EndpointProperty.Port);

        public ReferenceExpression UriExpression => bridge.UriExpression;

        public ReferenceExpression ConnectionStringExpression => bridge.ConnectionStringExpression;

        public void AddModel(string modelName) => throw new NotSupportedException("Models are added to the bridge.");
    }
}
