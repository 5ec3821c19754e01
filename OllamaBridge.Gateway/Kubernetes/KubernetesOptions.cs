using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Kubernetes;

/// <summary>How the API of Kubernetes is reached: section <c>Bridge:Kubernetes</c>. Without effect where nothing asks it.</summary>
[RestartRequired]
internal sealed record KubernetesOptions
{
    public const string Section = "Bridge:Kubernetes";

    /// <summary>A kubeconfig file; without one the service account of the bridge's own pod is used.</summary>
    public string? KubeConfig { get; init; }

    /// <summary>Which of the file's contexts; its current one when absent.</summary>
    public string? Context { get; init; }

    /// <summary>The namespace of names that say none; the pod's own, or the context's, when absent.</summary>
    public string? Namespace { get; init; }

    /// <summary>How long one question to the API may take.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "00:01:00")]
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long to wait before the API is asked again after it failed; doubled for each time in a row, up to thirty times this.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:01:00")]
    public TimeSpan RetryInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long one watch lasts before another takes its place, as the server is asked to end it.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan WatchTime { get; init; } = TimeSpan.FromMinutes(5);
}

[OptionsValidator]
internal sealed partial class KubernetesOptionsValidator : IValidateOptions<KubernetesOptions>;

/// <summary>A file that is named must be there.</summary>
internal sealed class KubeConfigValidator : IValidateOptions<KubernetesOptions>
{
    public ValidateOptionsResult Validate(string? name, KubernetesOptions options)
    {
        if (!string.IsNullOrEmpty(options.KubeConfig) && !File.Exists(options.KubeConfig))
            return ValidateOptionsResult.Fail($"Bridge:Kubernetes:KubeConfig: there is no file '{options.KubeConfig}'.");
        return string.IsNullOrEmpty(options.Context) || !string.IsNullOrEmpty(options.KubeConfig)
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail("Bridge:Kubernetes:Context: is for a Bridge:Kubernetes:KubeConfig.");
    }
}
