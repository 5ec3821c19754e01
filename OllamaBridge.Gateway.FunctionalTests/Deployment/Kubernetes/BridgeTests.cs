using System.Globalization;
using OllamaBridge.Gateway.Shutdown;
using OllamaBridge.Testing.Repository;
using k8s.Models;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment.Kubernetes;

/// <summary>The bridge in a cluster: replicas, rolling updates without lost requests, network access and monitoring.</summary>
public sealed class BridgeTests
{
    public static TheoryData<string> Overlays => [.. Overlay.Names];

    [Theory, MemberData(nameof(Overlays))]
    public void Deployment_Update_NoRequestLost(string name)
    {
        var overlay = Overlay.Read(name);
        var spec = overlay.All<V1Deployment>().Single(d => d.Metadata.Name == "bridge").Spec;
        Assert.True(spec.Replicas >= 2);
        Assert.Equal(("RollingUpdate", "0"), (spec.Strategy.Type, spec.Strategy.RollingUpdate.MaxUnavailable.Value));
        Assert.Single(overlay.All<V1PodDisruptionBudget>(), b => b.Spec.Selector.MatchLabels["app"] == "bridge" && b.Spec.MaxUnavailable.Value == "1");

        // The bridge accepts requests until all routes are updated, then lets running requests end, then has time to end the remaining ones with an error.
        var container = overlay.Bridge.Containers.Single();
        var environment = overlay.Environment(overlay.Bridge, container);
        var (delay, grace) = (TimeSpan.Parse(environment["Bridge__Shutdown__Delay"], CultureInfo.InvariantCulture), TimeSpan.Parse(environment["Bridge__Shutdown__GracePeriod"], CultureInfo.InvariantCulture));
        Assert.InRange(delay, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(60));
        Assert.True(TimeSpan.FromSeconds(overlay.Bridge.Pod.TerminationGracePeriodSeconds!.Value) >= grace + GracefulStop.Reserve);

        Assert.Equal(
            ("/health", "/alive", "/alive"),
            (container.StartupProbe.HttpGet.Path, container.ReadinessProbe.HttpGet.Path, container.LivenessProbe.HttpGet.Path));
    }

    [Theory, MemberData(nameof(Overlays))]
    public void Scaling_Overlays_ThreeToTenWithSlowScaleDown(string name)
    {
        var overlay = Overlay.Read(name);
        var scaled = overlay.CustomResources.Where(o => (string)o["kind"]! == "ScaledObject").Select(o => o["spec"]!).Select(s => (
                Target: (string)s["scaleTargetRef"]!["name"]!, Min: (int)s["minReplicaCount"]!, Max: (int)s["maxReplicaCount"]!,
                Down: (Window: (int)s["advanced"]!["horizontalPodAutoscalerConfig"]!["behavior"]!["scaleDown"]!["stabilizationWindowSeconds"]!,
                    Pods: (int)s["advanced"]!["horizontalPodAutoscalerConfig"]!["behavior"]!["scaleDown"]!["policies"]![0]!["value"]!)))
            .Concat(overlay.All<V2HorizontalPodAutoscaler>().Select(h => h.Spec).Select(s => (
                s.ScaleTargetRef.Name, s.MinReplicas!.Value, s.MaxReplicas,
                (s.Behavior.ScaleDown.StabilizationWindowSeconds!.Value, Assert.Single(s.Behavior.ScaleDown.Policies).Value))))
            .ToArray();
        Assert.Equal(name.StartsWith("autoscaling-", StringComparison.Ordinal) ? 1 : 0, scaled.Length);
        var hot = overlay.All<V1StatefulSet>().Single(s => s.Metadata.Name == "ollama");
        foreach (var (target, min, max, (window, pods)) in scaled)
        {
            Assert.Equal(("ollama", 3, 10, 1), (target, min, max, pods));
            Assert.True(window >= 300);
        }

        // A scaled workload has no replica count of its own, because an apply would reset it. The other workloads have one.
        Assert.Equal(scaled.Length == 0 ? 3 : null, hot.Spec.Replicas);
    }

    [Theory, MemberData(nameof(Overlays))]
    public void Queries_Scaler_UseRecordedSeries(string name)
    {
        foreach (var trigger in Overlay.Read(name).CustomResources.Where(o => (string)o["kind"]! == "ScaledObject").SelectMany(o => o["spec"]!["triggers"]!.AsArray()))
        {
            PromQl.AssertKnown(((string)trigger!["metadata"]!["query"]!).Replace("max_over_time", "", StringComparison.Ordinal), PrometheusFiles.Recorded);
            // A Prometheus without data must not look like an idle fleet.
            Assert.Equal("false", (string)trigger["metadata"]!["ignoreNullValues"]!);
        }
    }

    [Theory, MemberData(nameof(Overlays))]
    public void Monitor_Bridge_SelectsServiceWithAlertsJobName(string name)
    {
        var overlay = Overlay.Read(name);
        foreach (var monitor in overlay.CustomResources.Where(o => (string)o["kind"]! == "ServiceMonitor").Select(o => o["spec"]!))
        {
            var selector = monitor["selector"]!["matchLabels"]!.AsObject();
            var service = Assert.Single(overlay.All<V1Service>(), s => selector.All(l => s.Metadata.Labels.TryGetValue(l.Key, out var value) && value == (string)l.Value!));
            Assert.Equal("ollamabridge", service.Metadata.Labels[(string)monitor["jobLabel"]!]);
            var endpoint = Assert.Single(monitor["endpoints"]!.AsArray())!;
            Assert.Contains(service.Spec.Ports, p => p.Name == (string)endpoint["port"]!);
            Assert.True((bool)endpoint["honorLabels"]!);
            Assert.Contains(endpoint["relabelings"]!.AsArray(), r => (string)r!["targetLabel"]! == "bridge");
            Assert.Equal(RepositoryFiles.Read("deploy/grafana/ollamabridge.json"), overlay.All<V1ConfigMap>().Single(m => m.Metadata.Name == "ollamabridge-dashboard").Data["ollamabridge.json"]);
        }
    }

    [Theory, MemberData(nameof(Overlays))]
    public void AdminPort_Policies_OnlyOperatorsInstancesAndPrometheus(string name)
    {
        var overlay = Overlay.Read(name);
        var container = overlay.Bridge.Containers.Single();
        var ports = container.Ports.ToDictionary(p => p.Name, p => p.ContainerPort);
        var environment = overlay.Environment(overlay.Bridge, container);
        Assert.Equal($"http://*:{ports["admin"]}", environment["Bridge__Admin__Urls"]);
        Assert.Equal(ports["http"].ToString(CultureInfo.InvariantCulture), environment["HTTP_PORTS"]);
        Assert.Equal("true", environment["Bridge__Access__RequireKey"]);
        Assert.DoesNotContain("Bridge__Access__AllowAnonymous", environment.Keys);

        string[] operators = ["ollamabridge/operator=true", "app.kubernetes.io/component=instance", "app.kubernetes.io/name=prometheus"];
        foreach (var rule in overlay.All<V1NetworkPolicy>().Where(p => p.Spec.PodSelector.MatchLabels?.Contains(KeyValuePair.Create("app", "bridge")) == true).SelectMany(p => p.Spec.Ingress))
        {
            // A rule is for one of the two listeners. Only operators, instances and Prometheus may reach the admin port.
            var port = Assert.Single(rule.Ports).Port.Value;
            Assert.All(rule.FromProperty, peer => Assert.Equal(
                port == "admin", Labels(peer.PodSelector).Concat(Labels(peer.NamespaceSelector)).Intersect(operators).Any()));
        }

        foreach (var workload in overlay.Workloads)
            foreach (var address in workload.Containers.Select(c => overlay.Environment(workload, c).GetValueOrDefault("BRIDGE_ADDRESS")).OfType<string>())
                Assert.EndsWith($":{ports["admin"]}", address, StringComparison.Ordinal);

        static IEnumerable<string> Labels(V1LabelSelector? selector) => selector?.MatchLabels?.Select(l => $"{l.Key}={l.Value}") ?? [];
    }

    [Theory, MemberData(nameof(Overlays))]
    public void Routes_External_OnlyThreeApisWithLongTimeouts(string name)
    {
        var overlay = Overlay.Read(name);
        // The peers of a region also request its load.
        var isRegion = name.StartsWith("region-", StringComparison.Ordinal);
        string[] open = ["/", "/api", "/v1", .. isRegion ? ["/bridge/region"] : Array.Empty<string>()];
        foreach (var ingress in overlay.All<V1Ingress>())
        {
            var paths = ingress.Spec.Rules.SelectMany(r => r.Http.Paths).ToArray();
            Assert.Equal(open, paths.Select(p => p.Path));
            Assert.All(paths, p => Assert.Equal(p.Path is "/" or "/bridge/region" ? "Exact" : "Prefix", p.PathType));
            Assert.All(ingress.Spec.Rules, r => Assert.Contains(r.Host, ingress.Spec.Tls.SelectMany(t => t.Hosts)));
            Assert.All(paths, p => Assert.Equal("http", p.Backend.Service.Port.Name));
            Assert.All(paths, p => Assert.Contains(overlay.Find<V1Service>(ingress.Metadata.NamespaceProperty, p.Backend.Service.Name)!.Spec.Ports, s => s.Name == p.Backend.Service.Port.Name));
            Assert.Equal("off", ingress.Metadata.Annotations["nginx.ingress.kubernetes.io/proxy-buffering"]);
            Assert.True(int.Parse(ingress.Metadata.Annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"], CultureInfo.InvariantCulture) >= 1800);
        }

        foreach (var route in overlay.CustomResources.Where(o => (string)o["kind"]! == "HTTPRoute"))
        {
            var rule = Assert.Single(route["spec"]!["rules"]!.AsArray())!;
            Assert.Equal(open, rule["matches"]!.AsArray().Select(m => (string)m!["path"]!["value"]!));
            Assert.Equal("Exact", (string)rule["matches"]![0]!["path"]!["type"]!);
            Assert.Equal(("0s", "0s"), ((string)rule["timeouts"]!["request"]!, (string)rule["timeouts"]!["backendRequest"]!));
            var backend = Assert.Single(rule["backendRefs"]!.AsArray())!;
            Assert.Contains(overlay.Find<V1Service>((string)route["metadata"]!["namespace"]!, (string)backend["name"]!)!.Spec.Ports, p => p.Port == (int)backend["port"]! && p.Name == "http");
        }

        Assert.Equal(isRegion || name is "ingress" or "gateway-api", overlay.All<V1Ingress>().Any() || overlay.CustomResources.Any(o => (string)o["kind"]! == "HTTPRoute"));
    }
}
