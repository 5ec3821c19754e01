using System.Text.Json;
using k8s;
using k8s.Autorest;
using k8s.Models;
using OllamaBridge.Gateway.Kubernetes;

namespace OllamaBridge.Gateway.Activation;

/// <summary>Scales a StatefulSet or a Deployment through its subresource <c>scale</c>: the bridge needs <c>get</c> and <c>patch</c> on that and nothing else.</summary>
/// <remarks>As <c>autoscaling/v1</c> has it; what is written names the version that was read, so of two gateways one writes.</remarks>
internal sealed class KubernetesActivator(KubernetesConnection connection) : IInstanceActivator
{
    /// <summary>What the configuration calls it.</summary>
    public const string ActivatorName = "Kubernetes";

    // What an API server says may be long.
    private const int MaxReason = 300;

    /// <inheritdoc/>
    public string Name => ActivatorName;

    /// <inheritdoc/>
    public async Task<TierScale> ReadAsync(Tier tier, CancellationToken cancellationToken)
    {
        var scale = await AskAsync(
            tier,
            (apps, name, space) => tier.Options.Kubernetes.Kind == ScaledKind.Deployment
                ? apps.ReadNamespacedDeploymentScaleAsync(name, space, cancellationToken: cancellationToken)
                : apps.ReadNamespacedStatefulSetScaleAsync(name, space, cancellationToken: cancellationToken),
            cancellationToken);
        // What is zero may be left out.
        return new TierScale(scale.Spec?.Replicas ?? 0, scale.Metadata?.ResourceVersion);
    }

    /// <inheritdoc/>
    public async Task WriteAsync(Tier tier, int instances, TierScale seen, CancellationToken cancellationToken)
    {
        var change = new V1Patch(
            JsonSerializer.Serialize(new ScalePatch(new PatchedMetadata(seen.Version), new PatchedSpec(instances)), ActivationJson.Default.ScalePatch),
            V1Patch.PatchType.MergePatch);
        await AskAsync(
            tier,
            (apps, name, space) => tier.Options.Kubernetes.Kind == ScaledKind.Deployment
                ? apps.PatchNamespacedDeploymentScaleAsync(change, name, space, cancellationToken: cancellationToken)
                : apps.PatchNamespacedStatefulSetScaleAsync(change, name, space, cancellationToken: cancellationToken),
            cancellationToken);
    }

    private async Task<V1Scale> AskAsync(Tier tier, Func<IAppsV1Operations, string, string, Task<V1Scale>> ask, CancellationToken cancellationToken)
    {
        var options = tier.Options.Kubernetes;
        try
        {
            return await ask(
                connection.Client.AppsV1,
                string.IsNullOrEmpty(options.StatefulSet) ? $"ollama-{tier.Name}" : options.StatefulSet,
                string.IsNullOrEmpty(options.Namespace) ? connection.Namespace : options.Namespace);
        }
        catch (HttpOperationException e)
        {
            var status = (int)e.Response.StatusCode;
            throw new ActivationException(ActivationException.FailureOf(status), $"the API server answers {status}: {Reason(e.Response.Content)}", e);
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            // Nobody there, no trust, an answer that is none.
            throw new ActivationException(ActivationFailure.Failed, $"the API server cannot be asked: {e.Message}", e);
        }
    }

    /// <summary>The message of a <c>Status</c> object, which an API server answers where it does not do what it is asked.</summary>
    private static string Reason(string? content)
    {
        try
        {
            var message = KubernetesJson.Deserialize<V1Status>(content ?? "")?.Message ?? "";
            return message.Length > MaxReason ? message[..MaxReason] : message;
        }
        catch (JsonException)
        {
            return "";
        }
    }
}
