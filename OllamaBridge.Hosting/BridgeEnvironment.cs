using System.Globalization;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace OllamaBridge.Hosting;

/// <summary>Writes the gateway's configuration (section <c>Bridge</c>) as environment variables.</summary>
internal static class BridgeEnvironment
{
    /// <summary>Writes the variables.</summary>
    /// <param name="fleet">The fleet.</param>
    /// <param name="environment">Receives the variables.</param>
    /// <param name="publish">Whether a platform will run the bridge, which then listens beyond loopback.</param>
    /// <exception cref="DistributedApplicationException">The bridge is published without keys, and anonymous access was not allowed.</exception>
    public static void Write(BridgeModel fleet, IDictionary<string, object> environment, bool publish)
    {
        if (publish && fleet.Tenants.Count == 0)
        {
            if (!fleet.AllowAnonymous)
                throw new DistributedApplicationException(
                    $"'{fleet.Name}' is published without an API key. Call WithApiKey(builder.AddBridgeKey(\"{fleet.Name}-key\")), or WithAnonymousAccess() if every client that reaches it may use it.");
            environment["Bridge__Access__AllowAnonymous"] = "true";
        }

        var adminPort = fleet.AdminEndpoint.Property(EndpointProperty.TargetPort);
        environment["Bridge__Admin__Urls"] = publish
            ? ReferenceExpression.Create($"http://*:{adminPort}")
            : ReferenceExpression.Create($"http://localhost:{adminPort}");
        foreach (var tenant in fleet.Tenants)
            Write(tenant, environment);
        foreach (var (i, instance) in fleet.Instances.Index())
            Write(instance, string.Create(CultureInfo.InvariantCulture, $"Bridge__Instances__{i}__"), environment);
    }

    private static void Write(BridgeTenant tenant, IDictionary<string, object> environment)
    {
        var key = $"Bridge__Tenants__{tenant.Name}__";
        environment[$"{key}Keys__0"] = tenant.Key;
        if (tenant.Options.Scopes.Count > 0)
            environment[$"{key}Scopes"] = string.Join(", ", tenant.Options.Scopes);
        foreach (var (i, model) in tenant.Options.Models.Index())
            environment[string.Create(CultureInfo.InvariantCulture, $"{key}Models__{i}")] = model;
        if (tenant.Options.Weight is { } weight)
            environment[$"{key}Weight"] = weight.ToString(CultureInfo.InvariantCulture);
        if (tenant.Options.TokensPerDay is { } tokens)
            environment[$"{key}Limits__TokensPerDay"] = tokens.ToString(CultureInfo.InvariantCulture);
        if (tenant.Options.ConcurrentRequests is { } requests)
            environment[$"{key}Limits__ConcurrentRequests"] = requests.ToString(CultureInfo.InvariantCulture);
    }

    private static void Write(BridgeInstance instance, string key, IDictionary<string, object> environment)
    {
        environment[$"{key}Url"] = instance.Url;
        environment[$"{key}Name"] = instance.Name;
        environment[$"{key}Slots"] = (instance.Tier.Server.Parallel ?? 1).ToString(CultureInfo.InvariantCulture);
        if (instance.Tier.Server.MaxLoadedModels is > 0 and { } models)
            environment[$"{key}MaxLoadedModels"] = models.ToString(CultureInfo.InvariantCulture);
        // The name of a replicated resource resolves to several addresses, each of which is an instance.
        if (instance.Replicated)
            environment[$"{key}Discovery"] = "Dns";
    }
}
