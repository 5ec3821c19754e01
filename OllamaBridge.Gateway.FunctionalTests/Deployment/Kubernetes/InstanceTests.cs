using System.Globalization;
using System.Text.RegularExpressions;
using k8s.Models;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment.Kubernetes;

/// <summary>Ollama's servers in a cluster: one GPU each, probes that tolerate load, a drain before the stop, and matching settings of the bridge.</summary>
public sealed partial class InstanceTests
{
    // The time that hooks.sh waits beyond the deadline (its read timeout), and a margin for bash itself.
    private const int HookSlack = 5 + 3;

    // The variables of Ollama 0.32.15 (envconfig), and those of hooks.sh.
    private static readonly string[] Known =
    [
        "HOME", "POD_NAME", "BRIDGE_ADDRESS", "BRIDGE_DRAIN_SECONDS", "OLLAMA_HOST", "OLLAMA_MODELS", "OLLAMA_NOPRUNE", "OLLAMA_NUM_PARALLEL", "OLLAMA_MAX_LOADED_MODELS",
        "OLLAMA_MAX_QUEUE", "OLLAMA_KEEP_ALIVE", "OLLAMA_LOAD_TIMEOUT", "OLLAMA_CONTEXT_LENGTH", "OLLAMA_FLASH_ATTENTION", "OLLAMA_KV_CACHE_TYPE",
    ];

    public static TheoryData<string> Overlays => [.. Overlay.Names];

    [Theory, MemberData(nameof(Overlays))]
    public void Server_Each_OneGpuProbesAndKnownSettings(string name)
    {
        foreach (var (overlay, workload, server, settings) in Servers(name))
        {
            Assert.Equal(("1", "1"), (server.Resources.Limits["nvidia.com/gpu"].ToString(), server.Resources.Requests["nvidia.com/gpu"].ToString()));
            Assert.All(["cpu", "memory"], r => Assert.True(server.Resources.Requests.ContainsKey(r) && server.Resources.Limits.ContainsKey(r)));
            Assert.Empty(settings.Keys.Except(Known));

            var (start, ready, live) = (server.StartupProbe, server.ReadinessProbe, server.LivenessProbe);
            Assert.True(start.PeriodSeconds * start.FailureThreshold > Minutes(settings["OLLAMA_LOAD_TIMEOUT"]) * 60);
            // Routes that a busy server answers (docs and recordings: /, /api/version). A minute without a response must not cause a restart.
            Assert.All([start, ready, live], p => Assert.Contains(p.HttpGet.Path, (string[])["/", "/api/version"]));
            Assert.True(live.PeriodSeconds * live.FailureThreshold >= 60);
            Assert.Single(overlay.All<V1PodDisruptionBudget>(), b => b.Spec.MaxUnavailable.Value == "1"
                && OverlayTests.Selects(b.Spec.Selector.MatchLabels, b.Metadata.NamespaceProperty, workload));
            Assert.NotEmpty(workload.Pod.TopologySpreadConstraints);
            Assert.NotNull(workload.Pod.Affinity.PodAntiAffinity);
        }
    }

    [Theory, MemberData(nameof(Overlays))]
    public void Server_Stop_DrainedThroughBridgeWithinGracePeriod(string name)
    {
        foreach (var (overlay, workload, server, settings) in Servers(name))
        {
            Assert.Equal(["bash", "/hooks/hooks.sh", "stopping"], server.Lifecycle.PreStop.Exec.Command);
            Assert.Equal(["bash", "/hooks/hooks.sh", "started"], server.Lifecycle.PostStart.Exec.Command);
            var drain = int.Parse(settings["BRIDGE_DRAIN_SECONDS"], CultureInfo.InvariantCulture);
            Assert.True(workload.Pod.TerminationGracePeriodSeconds >= drain + HookSlack, $"{workload}: {drain} s do not fit");

            var bridge = BridgeAddress().Match(settings["BRIDGE_ADDRESS"]).Groups;
            var service = overlay.Find<V1Service>(bridge["space"].Success ? bridge["space"].Value : workload.Metadata.NamespaceProperty, bridge["name"].Value);
            Assert.Equal(bridge["port"].Value, service!.Spec.Ports.Single(p => p.Name == "admin").Port.ToString(CultureInfo.InvariantCulture));
        }
    }

    [Theory, MemberData(nameof(Overlays))]
    public void Models_Folders_OneWriterOrOwnFolders(string name)
    {
        var overlay = Overlay.Read(name);
        foreach (var (_, workload, server, settings) in Servers(name))
        {
            var folder = Assert.Single(server.VolumeMounts, m => m.MountPath == settings["OLLAMA_MODELS"]);
            var claim = workload.Pod.Volumes.SingleOrDefault(v => v.Name == folder.Name)?.PersistentVolumeClaim?.ClaimName;
            if (claim is null)
            {
                // Its own disk, filled before the server starts.
                Assert.Contains(overlay.Find<V1StatefulSet>(workload.Metadata.NamespaceProperty, workload.Name)!.Spec.VolumeClaimTemplates, t => t.Metadata.Name == folder.Name);
                Assert.Single(workload.Pod.InitContainers);
                continue;
            }

            Assert.Equal(["ReadWriteMany"], overlay.Find<V1PersistentVolumeClaim>(workload.Metadata.NamespaceProperty, claim)!.Spec.AccessModes);
            Assert.Equal("1", settings["OLLAMA_NOPRUNE"]);
            var job = Assert.Single(overlay.Workloads, w => w.Kind == "Job" && w.Metadata.NamespaceProperty == workload.Metadata.NamespaceProperty);
            // Through one server: the first pod of a workload that is never scaled to zero.
            var writer = WriterHost().Match(overlay.Environment(job, Assert.Single(job.Containers))["OLLAMA_HOST"]).Groups;
            Assert.NotEqual(0, overlay.Find<V1StatefulSet>(job.Metadata.NamespaceProperty, writer["set"].Value)!.Spec.Replicas);
            Assert.Equal(writer["set"].Value, writer["service"].Value);
        }
    }

    [Theory, MemberData(nameof(Overlays))]
    public void Bridge_Settings_MatchServers(string name)
    {
        var overlay = Overlay.Read(name);
        var settings = overlay.Environment(overlay.Bridge, overlay.Bridge.Containers.Single());
        var known = new HashSet<string>();
        for (var i = 0; settings.TryGetValue($"Bridge__Instances__{i}__Url", out var url); i++)
        {
            var host = new Uri(url).Host.Split('.');
            var space = host.Length > 1 ? host[1] : overlay.Bridge.Metadata.NamespaceProperty;
            Assert.NotNull(overlay.Find<V1Service>(space, host[0]));
            var (_, workload, _, server) = Assert.Single(Servers(name), s => s.Workload.Metadata.NamespaceProperty == space && s.Workload.Name == host[0]);
            known.Add(workload.ToString());
            Assert.Equal(server["OLLAMA_NUM_PARALLEL"], settings[$"Bridge__Instances__{i}__Slots"]);
            Assert.Equal(server["OLLAMA_MAX_LOADED_MODELS"], settings[$"Bridge__Instances__{i}__MaxLoadedModels"]);
            Assert.Equal("Kubernetes", settings[$"Bridge__Instances__{i}__Discovery"]);
            Assert.Contains(RulesOf(overlay, space), r => r.Resources.Contains("endpointslices") && r.ApiGroups.Contains("discovery.k8s.io")
                && r.Verbs.Order().SequenceEqual(["get", "list", "watch"]));
        }

        Assert.Equal(Servers(name).Select(s => s.Workload.ToString()).Order(), known.Order());
    }

    [Theory, MemberData(nameof(Overlays))]
    public void Bridge_ColdTiers_AtZeroWithPermissionToScale(string name)
    {
        var overlay = Overlay.Read(name);
        var settings = overlay.Environment(overlay.Bridge, overlay.Bridge.Containers.Single());
        var cold = overlay.All<V1StatefulSet>().Where(s => s.Spec.Replicas == 0).Select(s => s.Metadata.Name).ToArray();
        var tiers = settings.Where(s => TierSet().IsMatch(s.Key)).ToDictionary(s => TierSet().Match(s.Key).Groups[1].Value, s => s.Value);
        Assert.Equal(name == "cold-tier" ? ["ollama-cold"] : [], cold);
        Assert.Equal(cold.Order(), tiers.Values.Order());
        var scale = RulesOf(overlay, overlay.Bridge.Metadata.NamespaceProperty).Where(r => r.ApiGroups.Contains("apps")).ToArray();
        Assert.Equal(tiers.Count, scale.Length);
        foreach (var (tier, set) in tiers)
        {
            Assert.Contains(scale, r => r.Resources.SequenceEqual(["statefulsets/scale"]) && r.ResourceNames.SequenceEqual([set])
                && r.Verbs.Order().SequenceEqual(["get", "patch"]));
            Assert.Equal($"{set}-*", settings[$"Bridge__Tiers__{tier}__Instances"]);
            Assert.Equal("Kubernetes", settings[$"Bridge__Tiers__{tier}__Activator"]);
            var pulled = overlay.All<V1ConfigMap>().Single(m => m.Data.ContainsKey("MODELS")).Data["MODELS"].Split(',');
            Assert.Contains(settings[$"Bridge__Tiers__{tier}__Models__0"], pulled);
        }
    }

    private static IEnumerable<(Overlay Overlay, Workload Workload, V1Container Server, Dictionary<string, string> Settings)> Servers(string name)
    {
        var overlay = Overlay.Read(name);
        var servers = overlay.Workloads.Where(w => w.IsInstance).Select(w => (overlay, w, w.Pod.Containers.Single(), overlay.Environment(w, w.Pod.Containers.Single()))).ToArray();
        Assert.NotEmpty(servers);
        return servers;
    }

    /// <summary>The rules of the bridge's roles in a namespace.</summary>
    private static IEnumerable<V1PolicyRule> RulesOf(Overlay overlay, string? space) => overlay.All<V1RoleBinding>()
        .Where(b => b.Metadata.NamespaceProperty == space && b.Subjects.Any(s => s.Name == overlay.Bridge.Pod.ServiceAccountName && s.NamespaceProperty == overlay.Bridge.Metadata.NamespaceProperty))
        .SelectMany(b => overlay.Find<V1Role>(space, b.RoleRef.Name)!.Rules);

    private static int Minutes(string duration) => int.Parse(duration.TrimEnd('m'), CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^(?<name>[a-z-]+)(\.(?<space>[a-z-]+))?:(?<port>\d+)$")]
    private static partial Regex BridgeAddress();

    [GeneratedRegex(@"^http://(?<set>[a-z0-9-]+)-0\.(?<service>[a-z0-9-]+):11434$")]
    private static partial Regex WriterHost();

    [GeneratedRegex("^Bridge__Tiers__([a-z0-9]+)__Kubernetes__StatefulSet$")]
    private static partial Regex TierSet();
}
