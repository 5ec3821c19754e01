using System.Buffers.Text;
using System.Security.Cryptography;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Publishing;
using OllamaBridge.Hosting;

namespace Aspire.Hosting;

/// <summary>API keys and tenants of a bridge, as Aspire secrets.</summary>
public static class BridgeKeyExtensions
{
    private const string ClientTenant = "clients";
    private const string OperatorTenant = "apphost";
    private static readonly string[] OperatorScopes = ["Inference", "Management", "Admin"];

    /// <summary>Adds a secret parameter for an API key.</summary>
    /// <remarks>
    /// In run mode a key without a value is generated and kept in the user secrets. A published application asks for the value; the gateway's
    /// command <c>new-key</c> makes one.
    /// </remarks>
    /// <param name="builder">The application builder.</param>
    /// <param name="name">The parameter's name.</param>
    [AspireExport]
    public static IResourceBuilder<ParameterResource> AddBridgeKey(this IDistributedApplicationBuilder builder, [ResourceName] string name)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.ExecutionContext.IsPublishMode
            ? builder.AddParameter(name, secret: true)
            : builder.AddParameter(name, new GeneratedKey(), secret: true, persist: true);
    }

    /// <summary>Requires an API key from clients. Resources that are wired to the bridge receive it in their connection strings.</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="key">The key, in the form of the gateway's <c>new-key</c> command; see <see cref="AddBridgeKey"/>.</param>
    [AspireExport]
    public static IResourceBuilder<IOllamaBridgeResource> WithApiKey(
        this IResourceBuilder<IOllamaBridgeResource> bridge, IResourceBuilder<ParameterResource> key)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        ArgumentNullException.ThrowIfNull(key);
        bridge.Resource.Fleet.ClientKey = key.Resource;
        return bridge.WithTenant(ClientTenant, key, new BridgeTenantOptions());
    }

    /// <summary>Adds a tenant with a key of its own.</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="name">The tenant's name: up to 63 lower-case letters, digits, <c>.</c>, <c>-</c> and <c>_</c>.</param>
    /// <param name="key">The tenant's key; see <see cref="AddBridgeKey"/>.</param>
    /// <param name="options">The tenant's scopes, models and limits; null for inference with all models.</param>
    [AspireExport]
    public static IResourceBuilder<IOllamaBridgeResource> WithTenant(
        this IResourceBuilder<IOllamaBridgeResource> bridge, string name, IResourceBuilder<ParameterResource> key, BridgeTenantOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(key);
        var fleet = bridge.Resource.Fleet;
        fleet.Tenants.RemoveAll(t => t.Name == name);
        fleet.Tenants.Add(new BridgeTenant(name, key.Resource, options ?? new BridgeTenantOptions()));
        if (bridge.ApplicationBuilder.ExecutionContext.IsRunMode && fleet.OperatorKey is null)
        {
            // With the first key the gateway refuses requests without a key. The dashboard's commands use a separate key, generated at each start.
            fleet.OperatorKey = new ParameterResource($"{fleet.Name}-operator-key", _ => GeneratedKey.Create(), secret: true);
            fleet.Tenants.Add(new BridgeTenant(OperatorTenant, fleet.OperatorKey, new BridgeTenantOptions { Scopes = OperatorScopes }));
        }

        return bridge;
    }

    /// <summary>Allows a published bridge to run without keys. Every client that reaches it may use it.</summary>
    /// <param name="bridge">The bridge.</param>
    [AspireExport]
    public static IResourceBuilder<IOllamaBridgeResource> WithAnonymousAccess(this IResourceBuilder<IOllamaBridgeResource> bridge)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        bridge.Resource.Fleet.AllowAnonymous = true;
        return bridge;
    }

    /// <summary>Generates keys in the gateway's format, <c>ob-ID-SECRET</c> (docs/tenants.md).</summary>
    private sealed class GeneratedKey : ParameterDefault
    {
        private const int IdLength = 12;
        private const int SecretBytes = 32;

        public static string Create() =>
            $"ob-{RandomNumberGenerator.GetHexString(IdLength, lowercase: true)}-{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretBytes))}";

        public override string GetDefaultValue() => Create();

        public override void WriteToManifest(ManifestPublishingContext context) =>
            throw new NotSupportedException("A published application takes keys as inputs.");
    }
}
