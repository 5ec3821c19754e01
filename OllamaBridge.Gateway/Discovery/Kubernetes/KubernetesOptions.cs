using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Discovery.Kubernetes;

/// <summary>The connection to the Kubernetes API: section <c>Bridge:Kubernetes</c>. Without effect if no feature uses the API.</summary>
[RestartRequired]
internal sealed record KubernetesOptions
{
    public const string Section = "Bridge:Kubernetes";

    /// <summary>Path of a kubeconfig file; the service account of the bridge's pod by default.</summary>
    public string? KubeConfig { get; init; }

    /// <summary>Context in the kubeconfig file; its current context by default.</summary>
    public string? Context { get; init; }

    /// <summary>Namespace of names without one; the namespace of the pod or of the context by default.</summary>
    public string? Namespace { get; init; }

    /// <summary>Time limit of one API request, except watches.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "00:01:00")]
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Delay before a retry after a failed API request, doubled for each consecutive failure up to 30 times this value.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:01:00")]
    public TimeSpan RetryInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Duration of one watch, requested from the server as its timeout, after which a new watch replaces it.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan WatchTime { get; init; } = TimeSpan.FromMinutes(5);
}

[OptionsValidator]
internal sealed partial class KubernetesOptionsValidator : IValidateOptions<KubernetesOptions>;

/// <summary>Validates that the kubeconfig file exists, and that a context has a file.</summary>
internal sealed class KubeConfigValidator : IValidateOptions<KubernetesOptions>
{
    public ValidateOptionsResult Validate(string? name, KubernetesOptions options)
    {
        if (!string.IsNullOrEmpty(options.KubeConfig) && !File.Exists(options.KubeConfig))
            return ValidateOptionsResult.Fail($"Bridge:Kubernetes:KubeConfig: the file '{options.KubeConfig}' does not exist.");
        return string.IsNullOrEmpty(options.Context) || !string.IsNullOrEmpty(options.KubeConfig)
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail("Bridge:Kubernetes:Context: requires Bridge:Kubernetes:KubeConfig.");
    }
}
