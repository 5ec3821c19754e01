using k8s;
using k8s.Exceptions;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Kubernetes;

/// <summary>The one client of Kubernetes' API, made when somebody first needs it.</summary>
/// <remarks>
/// Only what is configured or the pod's own service account counts. A <c>~/.kube/config</c> that happens to be there does not: it may lead anywhere.
/// </remarks>
internal sealed class KubernetesConnection(IOptions<KubernetesOptions> options) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly KubernetesOptions _options = options.Value;
    private (IKubernetes Client, string Namespace)? _made;

    /// <summary>The client. Says nothing of whether the API answers.</summary>
    /// <exception cref="InvalidOperationException">There is neither a kubeconfig file nor a service account, or the file is wrong.</exception>
    public IKubernetes Client => Make().Client;

    /// <summary>The namespace of names that say none.</summary>
    /// <exception cref="InvalidOperationException">As for the client.</exception>
    public string Namespace => Make().Namespace;

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
            _made?.Client.Dispose();
    }

    private (IKubernetes Client, string Namespace) Make()
    {
        lock (_lock)
        {
            if (_made is { } made)
                return made;
            var configuration = Configure();
            var ownNamespace = string.IsNullOrWhiteSpace(configuration.Namespace) ? "default" : configuration.Namespace.Trim();
            made = (new k8s.Kubernetes(configuration), string.IsNullOrWhiteSpace(_options.Namespace) ? ownNamespace : _options.Namespace.Trim());
            _made = made;
            return made;
        }
    }

    private KubernetesClientConfiguration Configure()
    {
        if (string.IsNullOrEmpty(_options.KubeConfig))
            return KubernetesClientConfiguration.IsInCluster()
                ? KubernetesClientConfiguration.InClusterConfig()
                : throw new InvalidOperationException(
                    "Bridge:Kubernetes:KubeConfig: is not set, and there is no service account either: the bridge does not run in a pod, or automountServiceAccountToken is false.");
        try
        {
            return KubernetesClientConfiguration.BuildConfigFromConfigFile(
                new FileInfo(_options.KubeConfig), string.IsNullOrEmpty(_options.Context) ? null : _options.Context);
        }
        catch (YamlDotNet.Core.YamlException e)
        {
            // Its text may show a piece of the file, which has keys in it.
            throw new InvalidOperationException(
                $"Bridge:Kubernetes:KubeConfig: '{_options.KubeConfig}' cannot be read: no YAML at line {e.Start.Line}, or not that of a kubeconfig.");
        }
        catch (Exception e) when (e is KubeConfigException or IOException or UnauthorizedAccessException)
        {
            throw new InvalidOperationException($"Bridge:Kubernetes:KubeConfig: '{_options.KubeConfig}' cannot be used: {e.Message}", e);
        }
    }
}

/// <summary>What talks to Kubernetes.</summary>
internal static class KubernetesServiceCollectionExtensions
{
    /// <summary>Adds the connection. May be called by each room that needs it.</summary>
    public static IServiceCollection AddKubernetes(this IServiceCollection services)
    {
        if (services.Any(s => s.ServiceType == typeof(KubernetesConnection)))
            return services;
        services.AddBridgeOptions<KubernetesOptions, KubernetesOptionsValidator>(KubernetesOptions.Section);
        services.AddSingleton<IValidateOptions<KubernetesOptions>, KubeConfigValidator>();
        services.TryAddSingleton(TimeProvider.System);
        return services.AddSingleton<KubernetesConnection>();
    }
}
