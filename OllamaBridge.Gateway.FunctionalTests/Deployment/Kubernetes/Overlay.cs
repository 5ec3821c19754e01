using System.Text.Json.Nodes;
using OllamaBridge.Testing.Repository;
using k8s;
using k8s.Models;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment.Kubernetes;

/// <summary>A Deployment, StatefulSet or Job with its pod template. A job has no selector.</summary>
internal sealed record Workload(string Kind, V1ObjectMeta Metadata, V1PodTemplateSpec Template, IDictionary<string, string>? Selector)
{
    public string Name => Metadata.Name;

    public V1PodSpec Pod => Template.Spec;

    public IEnumerable<V1Container> Containers => [.. Pod.InitContainers ?? [], .. Pod.Containers];

    public bool IsInstance => Template.Metadata.Labels.TryGetValue("app.kubernetes.io/component", out var component) && component == "instance";

    public override string ToString() => $"{Kind} {Metadata.NamespaceProperty}/{Name}";
}

/// <summary>One overlay of <c>deploy/kubernetes/overlays</c>, parsed as strictly as an API server does with <c>--validate=strict</c>.</summary>
internal sealed class Overlay
{
    public const string Folder = "deploy/kubernetes";

    /// <summary>The built-in kinds of Kubernetes. Any other kind needs a schema in the tests' folder.</summary>
    private static readonly Dictionary<string, Type> Kinds = new[]
    {
        typeof(V1Namespace), typeof(V1ResourceQuota), typeof(V1ServiceAccount), typeof(V1Role), typeof(V1RoleBinding), typeof(V1ConfigMap), typeof(V1Secret),
        typeof(V1Service), typeof(V1PersistentVolumeClaim), typeof(V1Deployment), typeof(V1StatefulSet), typeof(V1Job), typeof(V1PodDisruptionBudget),
        typeof(V1NetworkPolicy), typeof(V1Ingress), typeof(V2HorizontalPodAutoscaler),
    }.ToDictionary(type => (string)type.GetField("KubeKind")!.GetValue(null)!, StringComparer.Ordinal);

    private Overlay(string name, string yaml)
    {
        Name = name;
        Objects = [.. Split(yaml).Select(Parse)];
        Workloads =
        [
            .. All<V1Deployment>().Select(d => new Workload(d.Kind, d.Metadata, d.Spec.Template, d.Spec.Selector.MatchLabels)),
            .. All<V1StatefulSet>().Select(s => new Workload(s.Kind, s.Metadata, s.Spec.Template, s.Spec.Selector.MatchLabels)),
            .. All<V1Job>().Select(j => new Workload(j.Kind, j.Metadata, j.Spec.Template, null)),
        ];
    }

    /// <summary>All overlays, by the names of their folders.</summary>
    public static IReadOnlyList<string> Names { get; } =
        [.. Directory.GetDirectories(RepositoryFiles.PathOf($"{Folder}/overlays")).Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal)];

    public string Name { get; }

    /// <summary>Built-in kinds as typed objects, and custom resources as JSON.</summary>
    public IReadOnlyList<object> Objects { get; }

    public IReadOnlyList<Workload> Workloads { get; }

    public IEnumerable<JsonNode> CustomResources => Objects.OfType<JsonNode>();

    public Workload Bridge => Workloads.Single(w => w.Name == "bridge");

    public static Overlay Read(string name) => new(name, Kubectl.Kustomize(RepositoryFiles.PathOf($"{Folder}/overlays/{name}")));

    /// <summary>Splits a YAML stream into its documents.</summary>
    public static IEnumerable<string> Split(string yaml) => yaml.Split("\n---\n", StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Parses one object. A field that its kind does not have is an error.</summary>
    public static object Parse(string yaml)
    {
        var head = KubernetesYaml.Deserialize<KubernetesObject>(yaml);
        if (!Kinds.TryGetValue(head.Kind, out var type))
            return CustomResource.Parse(head, yaml);
        var group = (string)type.GetField("KubeGroup")!.GetValue(null)!;
        var version = (string)type.GetField("KubeApiVersion")!.GetValue(null)!;
        Assert.Equal(group.Length == 0 ? version : $"{group}/{version}", head.ApiVersion);
        return typeof(KubernetesYaml).GetMethods()
            .Single(m => m.Name == nameof(KubernetesYaml.Deserialize) && m.GetParameters() is [{ ParameterType: var text }, _] && text == typeof(string))
            .MakeGenericMethod(type).Invoke(null, [yaml, true])!;
    }

    public IEnumerable<T> All<T>() => Objects.OfType<T>();

    /// <summary>Finds an object by namespace and name; null if there is none.</summary>
    public T? Find<T>(string? space, string name)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        All<T>().SingleOrDefault(o => o.Metadata.Name == name && o.Metadata.NamespaceProperty == space);

    /// <summary>A container's environment variables, without those from Secrets.</summary>
    public Dictionary<string, string> Environment(Workload workload, V1Container container)
    {
        var all = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in (container.EnvFrom ?? []).Select(e => e.ConfigMapRef?.Name).OfType<string>())
            foreach (var (key, value) in Find<V1ConfigMap>(workload.Metadata.NamespaceProperty, name)!.Data)
                all[key] = value;
        foreach (var variable in container.Env ?? [])
            all[variable.Name] = variable.Value ?? "";
        return all;
    }
}
