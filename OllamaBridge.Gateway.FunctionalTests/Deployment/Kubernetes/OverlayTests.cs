using System.Text.RegularExpressions;
using OllamaBridge.Testing.Repository;
using k8s.Models;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment.Kubernetes;

/// <summary>Each overlay's objects are complete and consistent. Parsing is part of the test: no object may have a field that its kind lacks.</summary>
public sealed partial class OverlayTests
{
    // Created during installation: deploy/kubernetes/secrets, and the Secrets in the overlay's comment.
    internal static readonly Dictionary<string, string[]> Secrets = new(StringComparer.Ordinal)
    {
        ["bridge-state"] = ["password", "connection-string"],
        ["bridge-tenants"] = [],
        ["bridge-hook"] = ["key"],
        ["bridge-metrics"] = ["key"],
        ["bridge-regions"] = ["peer-0"],
        ["bridge-tls"] = [],
    };

    public static TheoryData<string> Overlays => [.. Overlay.Names];

    [Theory, MemberData(nameof(Overlays))]
    public void Objects_StrictlyParsed_UniqueInExistingNamespaces(string name)
    {
        var overlay = Overlay.Read(name);
        Assert.NotEmpty(overlay.Objects);
        var spaces = overlay.All<V1Namespace>().Select(n => n.Metadata.Name).ToHashSet();
        var named = overlay.Objects.OfType<k8s.IKubernetesObject<V1ObjectMeta>>().Select(o => (o.Kind, o.Metadata.NamespaceProperty, o.Metadata.Name))
            .Concat(overlay.CustomResources.Select(o => ((string)o["kind"]!, (string)o["metadata"]!["namespace"]!, (string)o["metadata"]!["name"]!))).ToArray();
        Assert.Equal(named.Length, named.Distinct().Count());
        Assert.All(named, o => Assert.True(o.Item1 == "Namespace" || spaces.Contains(o.Item2), $"{o} is in no namespace of the overlay"));
        Assert.Empty(overlay.All<V1Secret>());
    }

    [Theory, MemberData(nameof(Overlays))]
    public void Selectors_EachWorkload_OnlyItsOwnPods(string name)
    {
        var overlay = Overlay.Read(name);
        foreach (var workload in overlay.Workloads.Where(w => w.Selector is not null))
            Assert.Equal([workload], overlay.Workloads.Where(w => Selects(workload.Selector!, workload.Metadata.NamespaceProperty, w)));
        foreach (var service in overlay.All<V1Service>())
        {
            var workload = Assert.Single(overlay.Workloads, w => Selects(service.Spec.Selector, service.Metadata.NamespaceProperty, w));
            var ports = workload.Pod.Containers.SelectMany(c => c.Ports ?? []).ToArray();
            Assert.All(service.Spec.Ports, p => Assert.Contains(ports, c => c.Name == p.TargetPort.Value && c.ContainerPort == p.Port));
        }

        foreach (var budget in overlay.All<V1PodDisruptionBudget>())
            Assert.Single(overlay.Workloads, w => Selects(budget.Spec.Selector.MatchLabels, budget.Metadata.NamespaceProperty, w));
        foreach (var set in overlay.All<V1StatefulSet>())
        {
            var service = overlay.Find<V1Service>(set.Metadata.NamespaceProperty, set.Spec.ServiceName);
            Assert.True(service is { Spec.ClusterIP: "None" }, $"{set.Metadata.Name} has no headless Service {set.Spec.ServiceName}");
            Assert.True(Selects(service!.Spec.Selector, set.Metadata.NamespaceProperty, overlay.Workloads.Single(w => w.Metadata == set.Metadata)));
        }

        foreach (var workload in overlay.Workloads)
        {
            var near = (workload.Pod.Affinity?.PodAntiAffinity?.PreferredDuringSchedulingIgnoredDuringExecution ?? []).Select(t => t.PodAffinityTerm.LabelSelector)
                .Concat((workload.Pod.TopologySpreadConstraints ?? []).Select(t => t.LabelSelector));
            Assert.All(near, s => Assert.True(
                Selects(s.MatchLabels, workload.Metadata.NamespaceProperty, workload), $"{workload} has anti-affinity to pods of another workload"));
        }
    }

    [Theory, MemberData(nameof(Overlays))]
    public void References_InPods_AllExist(string name)
    {
        var overlay = Overlay.Read(name);
        foreach (var workload in overlay.Workloads)
        {
            var space = workload.Metadata.NamespaceProperty;
            foreach (var map in MapsOf(workload))
                Assert.True(overlay.Find<V1ConfigMap>(space, map) is not null, $"{workload}: there is no ConfigMap {map}");
            foreach (var (secret, key) in SecretsOf(workload))
                Assert.True(
                    Secrets.TryGetValue(secret, out var keys) && (key is null || keys.Contains(key)),
                    $"{workload}: there is no Secret {secret} with the key {key}");
            var claims = (workload.Pod.Volumes ?? []).Select(v => v.PersistentVolumeClaim?.ClaimName).OfType<string>();
            Assert.All(claims, c => Assert.NotNull(overlay.Find<V1PersistentVolumeClaim>(space, c)));
            if (workload.Pod.ServiceAccountName is { } account)
                Assert.NotNull(overlay.Find<V1ServiceAccount>(space, account));
            else
                Assert.False(workload.Pod.AutomountServiceAccountToken, $"{workload} has a service account token without need");

            var volumes = (workload.Pod.Volumes ?? []).Select(v => v.Name)
                .Concat(overlay.Find<V1StatefulSet>(space, workload.Name)?.Spec.VolumeClaimTemplates?.Select(t => t.Metadata.Name) ?? []).ToArray();
            Assert.Equal(volumes.Length, volumes.Distinct().Count());
            var mounts = workload.Containers.SelectMany(c => c.VolumeMounts ?? []).ToArray();
            Assert.Equal(volumes.Order(), mounts.Select(m => m.Name).Distinct().Order());
            Assert.All(workload.Containers, c => Assert.Equal((c.VolumeMounts ?? []).Count, (c.VolumeMounts ?? []).Select(m => m.MountPath).Distinct().Count()));
            Assert.All(workload.Containers, c => Assert.All(ProbesOf(c), p => Assert.Contains(c.Ports, port => port.Name == p.HttpGet.Port.Value)));
        }

        foreach (var binding in overlay.All<V1RoleBinding>())
        {
            Assert.NotNull(overlay.Find<V1Role>(binding.Metadata.NamespaceProperty, binding.RoleRef.Name));
            Assert.All(binding.Subjects, s => Assert.NotNull(overlay.Find<V1ServiceAccount>(s.NamespaceProperty, s.Name)));
        }
    }

    [Theory, MemberData(nameof(Overlays))]
    public void Policies_Ports_ExistInSelectedPods(string name)
    {
        var overlay = Overlay.Read(name);
        foreach (var policy in overlay.All<V1NetworkPolicy>())
        {
            var pods = overlay.Workloads.Where(w => Selects(policy.Spec.PodSelector.MatchLabels ?? new Dictionary<string, string>(), policy.Metadata.NamespaceProperty, w)).ToArray();
            Assert.NotEmpty(pods);
            foreach (var port in (policy.Spec.Ingress ?? []).SelectMany(i => i.Ports))
                Assert.All(pods, w => Assert.Contains(w.Containers.SelectMany(c => c.Ports ?? []), p => p.Name == port.Port.Value));
            // An empty list of peers would admit all traffic.
            Assert.All(policy.Spec.Ingress ?? [], i => Assert.NotEmpty(i.FromProperty));
            var peers = (policy.Spec.Ingress ?? []).SelectMany(i => i.FromProperty).Concat((policy.Spec.Egress ?? []).SelectMany(e => e.To ?? []));
            foreach (var peer in peers.Where(p => p.PodSelector is not null && p.NamespaceSelector is null))
                Assert.True(
                    // Not every overlay has the job.
                    (peer.PodSelector.MatchLabels.TryGetValue("app", out var app) && app == "models")
                    || overlay.Workloads.Any(w => Selects(peer.PodSelector.MatchLabels, policy.Metadata.NamespaceProperty, w)),
                    $"{policy.Metadata.Name} admits pods that do not exist");
        }

        // Every workload must be covered by a policy.
        Assert.All(overlay.Workloads.Where(w => w.Kind != "Job"), w => Assert.Contains(
            overlay.All<V1NetworkPolicy>(), p => p.Spec.Ingress is { Count: > 0 } && Selects(p.Spec.PodSelector.MatchLabels ?? new Dictionary<string, string>(), p.Metadata.NamespaceProperty, w)));
    }

    [Theory, MemberData(nameof(Overlays))]
    public void Images_All_VersionsFromComponent(string name)
    {
        var versions = Versions();
        Assert.All(Overlay.Read(name).Workloads.SelectMany(w => w.Containers), c =>
        {
            var parts = PinnedImage().Match(c.Image);
            Assert.True(parts.Success && versions[parts.Groups[1].Value] == parts.Groups[2].Value, $"{c.Image} is not in components/versions");
        });
    }

    [Theory, MemberData(nameof(Overlays))]
    public void Pods_Each_RestrictedAndLimited(string name)
    {
        var overlay = Overlay.Read(name);
        Assert.All(overlay.All<V1Namespace>(), n => Assert.Equal("restricted", n.Metadata.Labels["pod-security.kubernetes.io/enforce"]));
        foreach (var workload in overlay.Workloads)
        {
            Assert.True(workload.Pod.SecurityContext is { RunAsNonRoot: true, SeccompProfile.Type: "RuntimeDefault" }, workload.ToString());
            foreach (var container in workload.Containers)
            {
                Assert.True(container.SecurityContext is { AllowPrivilegeEscalation: false, ReadOnlyRootFilesystem: true }, workload.ToString());
                Assert.Equal(["ALL"], container.SecurityContext.Capabilities.Drop);
                Assert.Null(container.SecurityContext.Privileged);
                Assert.True(container.Resources?.Requests?.ContainsKey("memory") == true && container.Resources.Limits.ContainsKey("memory"), $"{workload}: {container.Name}");
            }
        }
    }

    [Theory, MemberData(nameof(Overlays))]
    public void Values_InConfigMaps_NoSecretPlaceholderOrEscape(string name) =>
        Assert.All(Overlay.Read(name).All<V1ConfigMap>().Where(m => m.Metadata.Name.Contains("-env", StringComparison.Ordinal)).SelectMany(m => m.Data), e =>
        {
            Assert.DoesNotMatch(Suspicious(), e.Value);
            Assert.DoesNotMatch(SecretName(), e.Key);
        });

    /// <summary>The images and their tags in <c>components/versions</c>.</summary>
    internal static Dictionary<string, string> Versions() => VersionEntry()
        .Matches(RepositoryFiles.Read($"{Overlay.Folder}/components/versions/kustomization.yaml")).ToDictionary(m => m.Groups[1].Value, m => m.Groups[2].Value);

    internal static bool Selects(IDictionary<string, string> selector, string? space, Workload workload) =>
        workload.Metadata.NamespaceProperty == space
        && selector.All(s => workload.Template.Metadata.Labels.TryGetValue(s.Key, out var value) && value == s.Value);

    private static IEnumerable<V1Probe> ProbesOf(V1Container container) =>
        new[] { container.StartupProbe, container.ReadinessProbe, container.LivenessProbe }.Where(p => p?.HttpGet is not null);

    private static IEnumerable<string> MapsOf(Workload workload) =>
    [
        .. workload.Containers.SelectMany(c => c.EnvFrom ?? []).Select(e => e.ConfigMapRef?.Name).OfType<string>(),
        .. workload.Containers.SelectMany(c => c.Env ?? []).Select(e => e.ValueFrom?.ConfigMapKeyRef?.Name).OfType<string>(),
        .. (workload.Pod.Volumes ?? []).Select(v => v.ConfigMap?.Name).OfType<string>(),
    ];

    private static IEnumerable<(string Name, string? Key)> SecretsOf(Workload workload) =>
    [
        .. workload.Containers.SelectMany(c => c.EnvFrom ?? []).Where(e => e.SecretRef is not null).Select(e => (e.SecretRef.Name, (string?)null)),
        .. workload.Containers.SelectMany(c => c.Env ?? []).Where(e => e.ValueFrom?.SecretKeyRef is not null)
            .Select(e => (e.ValueFrom.SecretKeyRef.Name, (string?)e.ValueFrom.SecretKeyRef.Key)),
        .. (workload.Pod.Volumes ?? []).Where(v => v.Secret is not null).Select(v => (v.Secret.SecretName, (string?)null)),
    ];

    [GeneratedRegex(@"^([a-z0-9./-]+):([0-9][0-9a-z.-]*)$")]
    private static partial Regex PinnedImage();

    [GeneratedRegex(@"- name: (\S+)\n\s+newTag: ""?([0-9.]+)""?")]
    private static partial Regex VersionEntry();

    [GeneratedRegex(@"\{[a-z]|&(amp|quot|lt|gt|#)|[Pp]assword=|8443")]
    private static partial Regex Suspicious();

    [GeneratedRegex("PASSWORD|ApiKey|ConnectionString|Keys__")]
    private static partial Regex SecretName();
}
