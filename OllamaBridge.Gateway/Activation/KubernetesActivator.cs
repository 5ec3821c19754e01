using System.Text.Json;
using OllamaBridge.Gateway.Discovery.Kubernetes;
using OllamaBridge.Gateway.Fleet;
using k8s;
using k8s.Autorest;
using k8s.Models;

namespace OllamaBridge.Gateway.Activation;

/// <summary>Scales a StatefulSet or Deployment through its <c>scale</c> subresource. The bridge needs only <c>get</c> and <c>patch</c> on that.</summary>
/// <remarks>Uses <c>autoscaling/v1</c>. A patch contains the resource version that was read, so one of two concurrent writers fails with a conflict.</remarks>
internal sealed class KubernetesActivator(KubernetesConnection connection) : IInstanceActivator
{
    public const string ActivatorName = "Kubernetes";

    // Characters. The message of an API server can be long.
    private const int MaxReason = 300;

    public string Name => ActivatorName;

    public async Task<TierScale> ReadAsync(Tier tier, CancellationToken cancellationToken)
    {
        var scale = await SendAsync(
            tier,
            (apps, name, space) => tier.Options.Kubernetes.Kind == ScaledKind.Deployment
                ? apps.ReadNamespacedDeploymentScaleAsync(name, space, cancellationToken: cancellationToken)
                : apps.ReadNamespacedStatefulSetScaleAsync(name, space, cancellationToken: cancellationToken),
            cancellationToken);
        // The API omits a replica count of zero.
        return new TierScale(scale.Spec?.Replicas ?? 0, scale.Metadata?.ResourceVersion);
    }

    public async Task WriteAsync(Tier tier, int instances, TierScale seen, CancellationToken cancellationToken)
    {
        var change = new V1Patch(
            JsonSerializer.Serialize(new ScalePatch(new PatchedMetadata(seen.Version), new PatchedSpec(instances)), ActivationJson.Default.ScalePatch),
            V1Patch.PatchType.MergePatch);
        await SendAsync(
            tier,
            (apps, name, space) => tier.Options.Kubernetes.Kind == ScaledKind.Deployment
                ? apps.PatchNamespacedDeploymentScaleAsync(change, name, space, cancellationToken: cancellationToken)
                : apps.PatchNamespacedStatefulSetScaleAsync(change, name, space, cancellationToken: cancellationToken),
            cancellationToken);
    }

    private async Task<V1Scale> SendAsync(Tier tier, Func<IAppsV1Operations, string, string, Task<V1Scale>> send, CancellationToken cancellationToken)
    {
        var options = tier.Options.Kubernetes;
        try
        {
            return await send(
                connection.Client.AppsV1,
                string.IsNullOrEmpty(options.StatefulSet) ? $"ollama-{tier.Name}" : options.StatefulSet,
                string.IsNullOrEmpty(options.Namespace) ? connection.Namespace : options.Namespace);
        }
        catch (HttpOperationException e)
        {
            var status = (int)e.Response.StatusCode;
            throw new ActivationException(
                ActivationException.FailureOf(status), $"the Kubernetes API server returned status {status}: {Reason(e.Response.Content)}", e);
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            // No connection, an untrusted certificate, or an unreadable response.
            throw new ActivationException(ActivationFailure.Failed, $"the request to the Kubernetes API server failed: {e.Message}", e);
        }
    }

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
