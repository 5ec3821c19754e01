using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;
using k8s;
using k8s.Exceptions;

namespace OllamaBridge.Gateway.Discovery.Kubernetes;

/// <summary>The shared client of the Kubernetes API, created on first use. Ignores <c>~/.kube/config</c>, which may point to any cluster.</summary>
internal sealed class KubernetesConnection(IOptions<KubernetesOptions> options) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly KubernetesOptions _options = options.Value;
    private (IKubernetes Client, string Namespace)? _made;

    /// <summary>The client. Creating it does not contact the API.</summary>
    /// <exception cref="InvalidOperationException">No kubeconfig file and no service account is available, or the file is invalid.</exception>
    public IKubernetes Client => Make().Client;

    /// <summary>The namespace of names without one.</summary>
    public string Namespace => Make().Namespace;

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
                    "Bridge:Kubernetes:KubeConfig: is not set, and there is no service account: not in a pod, or automountServiceAccountToken is false.");
        try
        {
            return KubernetesClientConfiguration.BuildConfigFromConfigFile(
                new FileInfo(_options.KubeConfig), string.IsNullOrEmpty(_options.Context) ? null : _options.Context);
        }
        catch (YamlDotNet.Core.YamlException e)
        {
            // The original message may quote a part of the file, which contains keys.
            throw new InvalidOperationException(
                $"Bridge:Kubernetes:KubeConfig: '{_options.KubeConfig}' cannot be read: line {e.Start.Line} is not valid YAML or does not fit a kubeconfig.");
        }
        catch (Exception e) when (e is KubeConfigException or IOException or UnauthorizedAccessException)
        {
            throw new InvalidOperationException($"Bridge:Kubernetes:KubeConfig: '{_options.KubeConfig}' cannot be loaded: {e.Message}", e);
        }
    }
}

internal static class KubernetesServiceCollectionExtensions
{
    /// <summary>Idempotent.</summary>
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
