namespace Aspire.Hosting.ApplicationModel;

/// <summary>A model that the first instance of a fleet pulls. Its state shows the progress or the error.</summary>
internal sealed class OllamaModelPullResource(string name, string model, IResourceWithEndpoints server, EndpointReference endpoint)
    : Resource(name), IResourceWithParent<IResourceWithEndpoints>, IResourceWithConnectionString
{
    /// <summary>The model's name with its tag.</summary>
    public string Model { get; } = model;

    /// <summary>The server that pulls.</summary>
    public IResourceWithEndpoints Parent { get; } = server;

    /// <summary>The server's endpoint.</summary>
    public EndpointReference Endpoint { get; } = endpoint;

    /// <summary>The server's address and the model.</summary>
    public ReferenceExpression ConnectionStringExpression => Parent is IResourceWithConnectionString
        ? ReferenceExpression.Create($"{(IResourceWithConnectionString)Parent};Model={Model}")
        : ReferenceExpression.Create($"Endpoint={Endpoint.Property(EndpointProperty.Url)};Model={Model}");
}
