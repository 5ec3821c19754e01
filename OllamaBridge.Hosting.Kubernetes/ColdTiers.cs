using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Kubernetes.Resources;

namespace OllamaBridge.Hosting;

/// <summary>Allows the bridge to scale its cold tiers, and nothing else in the cluster.</summary>
internal static class ColdTiers
{
    private const string Rbac = "rbac.authorization.k8s.io";

    /// <summary>Configures the tiers in the bridge and grants it the permission to scale them.</summary>
    /// <param name="service">The publisher's objects of the bridge.</param>
    /// <param name="bridge">The bridge in the application model.</param>
    /// <param name="pod">The bridge's pod.</param>
    public static void Complete(KubernetesResource service, IOllamaBridgeResource bridge, PodSpecV1 pod)
    {
        var tiers = bridge.Fleet.Tiers.Where(t => t.StartsOnDemand).ToList();
        if (tiers.Count == 0)
            return;
        var role = new Role
        {
            Metadata = { Name = $"{bridge.Name}-scales-tiers" },
            Rules =
            {
                // The gateway's activator reads and writes only the scale of these objects.
                new PolicyRuleV1 { ApiGroups = { "apps" }, Resources = { "statefulsets/scale" }, Verbs = { "get", "patch" } },
            },
        };
        foreach (var tier in tiers)
        {
            var set = $"{tier.Name}-statefulset";
            role.Rules[0].ResourceNames.Add(set);
            var environment = new Dictionary<string, object>();
            TierActivation.Write(environment, tier, "Kubernetes");
            environment[$"Bridge__Tiers__{tier.Key}__Kubernetes__StatefulSet"] = set;
            pod.Containers[0].Env.AddRange(environment.Select(e => new EnvVarV1 { Name = e.Key, Value = (string)e.Value }));
        }

        var account = new ServiceAccountV1 { Metadata = { Name = $"{bridge.Name}-account" } };
        pod.ServiceAccountName = account.Metadata.Name;
        pod.AutomountServiceAccountToken = true;
        service.AdditionalResources.AddRange(
        [
            account,
            role,
            new RoleBinding
            {
                // The publisher names files after objects; two objects of one name would share a file.
                Metadata = { Name = $"{role.Metadata.Name}-binding" },
                RoleRef = new RoleRefV1 { ApiGroup = Rbac, Kind = "Role", Name = role.Metadata.Name },
                Subjects = { new SubjectV1 { Kind = "ServiceAccount", Name = account.Metadata.Name, Namespace = "{{ .Release.Namespace }}" } },
            },
        ]);
    }
}
