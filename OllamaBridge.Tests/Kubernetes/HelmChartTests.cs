using Aspire.Hosting;
using k8s;
using k8s.Models;
using OllamaBridge.Hosting;

namespace OllamaBridge.Tests;

/// <summary>The Helm chart works without manual changes: the application corrects the output of Aspire's publisher.</summary>
public sealed class HelmChartTests
{
    private const string Gpu = "nvidia.com/gpu";
    private static readonly (string, string)[] Secrets = [("secrets.state.state_password", HelmChart.Password), ("secrets.bridge.bridge_key", HelmChart.Key)];

    [Fact]
    public async Task Instances_Three_EachHasVolumeClaimAndGpu()
    {
        var objects = (await HelmChart.PublishAsync()).Render(Secrets);

        var set = Assert.Single(objects.OfType<V1StatefulSet>(), s => s.Metadata.Name.StartsWith("ollama", StringComparison.Ordinal));
        Assert.Equal(3, set.Spec.Replicas);
        var claim = Assert.Single(objects.OfType<V1PersistentVolumeClaim>(), c => c.Metadata.Name == "ollama-models");
        Assert.Equal(["ReadWriteMany"], claim.Spec.AccessModes);
        Assert.Equal("100Gi", claim.Spec.Resources.Requests["storage"].ToString());
        var container = Assert.Single(set.Spec.Template.Spec.Containers);
        var mount = Assert.Single(container.VolumeMounts);
        Assert.Equal("/root/.ollama", mount.MountPath);
        Assert.Equal("ollama-models", set.Spec.Template.Spec.Volumes.Single(v => v.Name == mount.Name).PersistentVolumeClaim.ClaimName);
        Assert.Equal("1", container.Resources.Limits[Gpu].ToString());
        Assert.All([container.StartupProbe, container.ReadinessProbe, container.LivenessProbe], p => Assert.Equal("/", p.HttpGet.Path));

        // No other pod gets a GPU.
        Assert.All(Pods(objects).Where(p => p.Owner != set.Metadata.Name), p => Assert.All(p.Spec.Containers, c => Assert.Null(c.Resources?.Limits)));
    }

    [Fact]
    public async Task Bridge_HeadlessService_ResolvesEachInstance()
    {
        var objects = (await HelmChart.PublishAsync()).Render(Secrets);

        var bridge = Assert.Single(objects.OfType<V1Deployment>());
        Assert.Equal(2, bridge.Spec.Replicas);
        Assert.Equal("0", bridge.Spec.Strategy.RollingUpdate.MaxUnavailable.Value);
        var pod = bridge.Spec.Template.Spec;
        Assert.True(pod.SecurityContext.RunAsNonRoot);
        Assert.Equal($"ollamabridge/gateway:{Programs.Version}", pod.Containers[0].Image);
        Assert.Equal("/health", pod.Containers[0].ReadinessProbe.HttpGet.Path);
        Assert.Equal("/alive", pod.Containers[0].LivenessProbe.HttpGet.Path);

        var settings = Assert.Single(objects.OfType<V1ConfigMap>(), c => c.Metadata.Name == "bridge-config").Data;
        Assert.Equal("http://ollama", settings["Bridge__Instances__0__Url"]);
        Assert.Equal("Dns", settings["Bridge__Instances__0__Discovery"]);
        var address = new Uri(settings["services__ollama__http__0"]);
        var service = Assert.Single(objects.OfType<V1Service>(), s => s.Metadata.Name == address.Host);
        Assert.Equal("None", service.Spec.ClusterIP);
        Assert.Equal(address.Port, service.Spec.Ports.Single().Port);
        Assert.Equal(service.Metadata.Name, Assert.Single(objects.OfType<V1StatefulSet>(), s => s.Metadata.Name == "ollama-statefulset").Spec.ServiceName);
    }

    [Fact]
    public async Task Secrets_OnlyInSecretObjects_AndRequired()
    {
        var chart = await HelmChart.PublishAsync();
        var objects = chart.Render(Secrets);

        var secrets = objects.OfType<V1Secret>().ToDictionary(s => s.Metadata.Name, s => s.StringData);
        Assert.Equal(HelmChart.Password, secrets["state-secrets"]["REDIS_PASSWORD"]);
        Assert.Equal($"state-service:6379,password={HelmChart.Password}", secrets["bridge-secrets"]["ConnectionStrings__state"]);
        foreach (var other in objects.Where(o => o is not V1Secret))
        {
            Assert.DoesNotContain(HelmChart.Password, KubernetesYaml.Serialize(other), StringComparison.Ordinal);
            Assert.DoesNotContain(HelmChart.Key, KubernetesYaml.Serialize(other), StringComparison.Ordinal);
        }

        // The chart contains no password and refuses an empty one, because the server would then be open.
        Assert.Contains("state_password: \"\"", chart.Values, StringComparison.Ordinal);
        foreach (var (secret, _) in Secrets)
            Assert.Contains(
                secret,
                Assert.Throws<InvalidOperationException>(() => chart.Render([.. Secrets.Where(s => s.Item1 != secret)])).Message,
                StringComparison.Ordinal);
        Assert.Equal(HelmChart.Key, secrets["bridge-secrets"]["Bridge__Tenants__clients__Keys__0"]);
        Assert.DoesNotContain("AllowAnonymous", chart.Values, StringComparison.Ordinal);
        Assert.DoesNotContain("ConnectionStrings__state", chart.Values, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Objects_WholeChart_ReferencesResolve()
    {
        var objects = (await HelmChart.PublishAsync("--Fleet:Tiers:cold:Models=deepseek-r1:70b")).Render(Secrets);

        Assert.Equal(objects.Count, objects.Select(o => (o.Kind, o.Metadata.Name)).Distinct().Count());
        var pods = Pods(objects).ToList();
        foreach (var service in objects.OfType<V1Service>())
        {
            var pod = Assert.Single(pods, p => service.Spec.Selector.All(l => p.Labels.Contains(l)));
            Assert.All(service.Spec.Ports, port => Assert.Equal(port.Port.ToString(System.Globalization.CultureInfo.InvariantCulture), port.TargetPort.Value));
            Assert.Equal(service.Spec.Ports.Select(p => p.Port).Order(), pod.Spec.Containers.Single().Ports.Select(p => p.ContainerPort).Order());
            // The port for clients is the first one.
            Assert.All(
                Probes(pod.Spec.Containers.Single()), p => Assert.Equal(service.Spec.Ports[0].TargetPort.Value, (p.HttpGet?.Port ?? p.TcpSocket.Port).Value));
        }

        Assert.Equal([6379, 11400, 11401, 11434, 11434], objects.OfType<V1Service>().SelectMany(s => s.Spec.Ports).Select(p => p.Port).Order());
        foreach (var pod in pods)
        {
            var container = pod.Spec.Containers.Single();
            Assert.All(container.EnvFrom ?? [], e => Assert.Single(objects, o => o.Metadata.Name == (e.ConfigMapRef?.Name ?? e.SecretRef.Name)));
            Assert.All(pod.Spec.Volumes ?? [], v => Assert.True(
                v.EmptyDir is not null || objects.OfType<V1PersistentVolumeClaim>().Any(c => c.Metadata.Name == v.PersistentVolumeClaim.ClaimName), v.Name));
        }

        Assert.Equal("11400", objects.OfType<V1ConfigMap>().Single(c => c.Metadata.Name == "bridge-config").Data["HTTP_PORTS"]);
        Assert.Equal("http://*:11401", objects.OfType<V1ConfigMap>().Single(c => c.Metadata.Name == "bridge-config").Data["Bridge__Admin__Urls"]);
    }

    [Fact]
    public async Task Tiers_OwnSettings_SetReplicasGpusAndLimits()
    {
        var objects = (await HelmChart.PublishAsync(
            "--Fleet:Instances=5", "--Fleet:Gpus:Vendor=None", "--Fleet:Limits:Memory=16g", "--Fleet:Limits:Cpus=4.5",
            "--Fleet:Tiers:amd:Instances=2", "--Fleet:Tiers:amd:Gpus:Vendor=Amd",
            "--Fleet:Tiers:cold:ExplicitStart=true", "--Fleet:Tiers:cold:Gpus:Vendor=Nvidia",
            "--Fleet:Kubernetes:Bridges=4", "--Fleet:Kubernetes:ModelStorage=2Ti", "--Fleet:Kubernetes:ModelStorageClass=nfs")).Render(Secrets);

        var sets = objects.OfType<V1StatefulSet>().ToDictionary(s => s.Metadata.Name);
        Assert.Equal(5, sets["ollama-statefulset"].Spec.Replicas);
        Assert.Equal(2, sets["ollama-amd-statefulset"].Spec.Replicas);
        Assert.Equal(0, sets["ollama-cold-statefulset"].Spec.Replicas);
        Assert.Equal(["cpu=4500m", "memory=16Gi"], Limits("ollama-statefulset"));
        Assert.Contains("amd.com/gpu=1", Limits("ollama-amd-statefulset"));
        Assert.EndsWith("-rocm", sets["ollama-amd-statefulset"].Spec.Template.Spec.Containers[0].Image, StringComparison.Ordinal);
        Assert.Contains($"{Gpu}=1", Limits("ollama-cold-statefulset"));
        Assert.Equal(4, objects.OfType<V1Deployment>().Single().Spec.Replicas);
        var claim = Assert.Single(objects.OfType<V1PersistentVolumeClaim>(), c => c.Metadata.Name == "ollama-models");
        Assert.Equal("2Ti", claim.Spec.Resources.Requests["storage"].ToString());
        Assert.Equal("nfs", claim.Spec.StorageClassName);

        IEnumerable<string> Limits(string name) =>
            sets[name].Spec.Template.Spec.Containers[0].Resources.Limits.Select(l => $"{l.Key}={l.Value}").Order(StringComparer.Ordinal);
    }

    [Fact]
    public async Task Models_AllTiers_PulledOnceBySeparateJob()
    {
        var objects = (await HelmChart.PublishAsync("--Fleet:Models=a:1,b", "--Fleet:Tiers:cold:Models=c:70b")).Render(Secrets);
        var others = (await HelmChart.PublishAsync("--Fleet:Models=a:1")).Render(Secrets);

        var job = Assert.Single(objects.OfType<V1Job>());
        var environment = Assert.Single(job.Spec.Template.Spec.Containers).Env.ToDictionary(e => e.Name, e => e.Value);
        Assert.Equal("a:1 b:latest c:70b", environment["MODELS"]);
        Assert.Equal("http://ollama-service:11434", environment["OLLAMA_HOST"]);
        Assert.DoesNotContain(objects.OfType<V1Service>(), s => s.Spec.Selector.All(l => job.Spec.Template.Metadata.Labels.Contains(l)));
        // A job is immutable, so an upgrade with other models needs a job with another name.
        Assert.NotEqual(Assert.Single(others.OfType<V1Job>()).Metadata.Name, job.Metadata.Name);
    }

    [Fact]
    public async Task ColdTier_AtZero_BridgeMayScaleOnlyThatTier()
    {
        var objects = (await HelmChart.PublishAsync(
            "--Fleet:Tiers:cold:Models=deepseek-r1:70b", "--Fleet:Tiers:cold:Instances=2",
            "--Fleet:Tiers:cold:ExplicitStart=true", "--Fleet:Tiers:warm:Models=a:1")).Render(Secrets);

        var set = Assert.Single(objects.OfType<V1StatefulSet>(), s => s.Spec.Replicas == 0);
        var pod = Assert.Single(objects.OfType<V1Deployment>()).Spec.Template.Spec;
        var environment = pod.Containers[0].Env.ToDictionary(e => e.Name, e => e.Value);
        Assert.Equal("deepseek-r1:70b", environment["Bridge__Tiers__cold__Models__0"]);
        Assert.Equal("Kubernetes", environment["Bridge__Tiers__cold__Activator"]);
        Assert.Equal("2", environment["Bridge__Tiers__cold__MaxInstances"]);
        Assert.Equal(set.Metadata.Name, environment["Bridge__Tiers__cold__Kubernetes__StatefulSet"]);
        Assert.DoesNotContain(environment.Keys, k => k.Contains("warm", StringComparison.Ordinal));

        var rule = Assert.Single(Assert.Single(objects.OfType<V1Role>()).Rules);
        Assert.Equal(["statefulsets/scale"], rule.Resources);
        Assert.Equal([set.Metadata.Name], rule.ResourceNames);
        Assert.Equal(["get", "patch"], rule.Verbs);
        var binding = Assert.Single(objects.OfType<V1RoleBinding>());
        Assert.Equal(objects.OfType<V1Role>().Single().Metadata.Name, binding.RoleRef.Name);
        Assert.Equal(
            ("test-space", pod.ServiceAccountName),
            (binding.Subjects.Single().NamespaceProperty, Assert.Single(objects.OfType<V1ServiceAccount>()).Metadata.Name));
        Assert.True(pod.AutomountServiceAccountToken);
        // No other pod gets a token for the cluster.
        Assert.All(Pods(objects).Where(p => p.Spec != pod), p => Assert.False(p.Spec.AutomountServiceAccountToken));
    }

    [Fact]
    public async Task Bridge_WithoutColdTiers_HasNoClusterToken()
    {
        var objects = (await HelmChart.PublishAsync()).Render(Secrets);

        Assert.All(Pods(objects), p => Assert.False(p.Spec.AutomountServiceAccountToken));
        Assert.Empty(objects.OfType<V1Role>());
    }

    [Theory]
    [InlineData("16g", "16Gi")]
    [InlineData("512M", "512Mi")]
    [InlineData("64k", "64Ki")]
    [InlineData("1024b", "1024")]
    [InlineData("1024", "1024")]
    public void QuantityOf_RuntimeAmount_KubernetesQuantity(string memory, string expected) => Assert.Equal(expected, InstanceWorkload.QuantityOf(memory));

    [Fact]
    public void Values_OfAnotherPublisher_Refused() =>
        Assert.Throws<DistributedApplicationException>(() => HelmValues.Complete("parameters: {}\n", "bridge"));

    [Fact]
    public async Task Chart_TierStartedOnDemand_ContainsNoApiKey() =>
        Assert.DoesNotContain(
            "ApiKey",
            (await HelmChart.PublishAsync("--Fleet:Tiers:cold:Models=a:1", "--Fleet:Tiers:cold:ExplicitStart=true")).Templates["bridge/deployment.yaml"],
            StringComparison.Ordinal);

    private static IEnumerable<(string Owner, IDictionary<string, string> Labels, V1PodSpec Spec)> Pods(IEnumerable<IKubernetesObject<V1ObjectMeta>> objects) =>
        from o in objects
        let template = (o as V1StatefulSet)?.Spec.Template ?? (o as V1Deployment)?.Spec.Template ?? (o as V1Job)?.Spec.Template
        where template is not null
        select (o.Metadata.Name, template.Metadata.Labels, template.Spec);

    private static IEnumerable<V1Probe> Probes(V1Container container) =>
        new[] { container.StartupProbe, container.ReadinessProbe, container.LivenessProbe }.OfType<V1Probe>();
}
