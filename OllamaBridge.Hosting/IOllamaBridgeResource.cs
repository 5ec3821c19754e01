using OllamaBridge.Hosting;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>An OllamaBridge gateway and the fleet of Ollama servers behind it.</summary>
/// <remarks>
/// Clients treat it as one Ollama server. The connection string is <c>Endpoint=http://host:port</c>, followed by <c>;Key=…</c> if
/// the bridge requires one and by <c>;Model=…</c> if the fleet has models. The gateway runs as a project, as a .NET tool or as a
/// container; this interface hides which. It cannot be implemented outside of this package.
/// </remarks>
[AspireExport(ExposeProperties = true)]
public interface IOllamaBridgeResource :
    IResourceWithConnectionString, IResourceWithServiceDiscovery, IResourceWithEnvironment, IResourceWithArgs, IResourceWithWaitSupport, IResourceWithProbes,
    IComputeResource
{
    /// <summary>The models of the fleet, each with its tag. The first is the default of clients.</summary>
    IReadOnlyList<string> Models => Fleet.Models;

    /// <summary>The endpoint that clients use.</summary>
    EndpointReference PrimaryEndpoint => Fleet.PrimaryEndpoint;

    /// <summary>The endpoint for operators: the fleet page, the admin API and the metrics. The clients' endpoint does not serve these.</summary>
    EndpointReference AdminEndpoint => Fleet.AdminEndpoint;

    /// <summary>The base address, <c>http://host:port</c>.</summary>
    ReferenceExpression UriExpression => ReferenceExpression.Create(
        $"{PrimaryEndpoint.Property(EndpointProperty.Scheme)}://{PrimaryEndpoint.Property(EndpointProperty.Host)}:{PrimaryEndpoint.Property(EndpointProperty.Port)}");

    /// <summary>The connection string for OpenAI clients (<c>Aspire.OpenAI</c>): the base address ends in <c>/v1</c>.</summary>
    /// <remarks>These clients require a key. Without <c>WithApiKey</c> it is <c>none</c>, which a bridge without keys ignores.</remarks>
    ReferenceExpression OpenAIConnectionStringExpression => Fleet.ConnectionString($"{UriExpression}/v1", requireKey: true);

    /// <inheritdoc/>
    ReferenceExpression IResourceWithConnectionString.ConnectionStringExpression => Fleet.ConnectionString($"{UriExpression}", requireKey: false);

    internal BridgeModel Fleet { get; }

    /// <inheritdoc/>
    IEnumerable<KeyValuePair<string, ReferenceExpression>> IResourceWithConnectionString.GetConnectionProperties()
    {
        yield return new("Host", ReferenceExpression.Create($"{PrimaryEndpoint.Property(EndpointProperty.Host)}"));
        yield return new("Port", ReferenceExpression.Create($"{PrimaryEndpoint.Property(EndpointProperty.Port)}"));
        yield return new("Uri", UriExpression);
        if (Fleet.ClientKey is { } key)
            yield return new("Key", ReferenceExpression.Create($"{key}"));
        if (Models.Count > 0)
            yield return new("Model", ReferenceExpression.Create($"{Models[0]}"));
    }
}
