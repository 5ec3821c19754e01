namespace OllamaBridge.Hosting;

/// <summary>A <c>redis-server</c> from PATH.</summary>
public sealed class LocalStateResource : ExecutableResource, IResourceWithConnectionString
{
    internal const string EndpointName = "tcp";

    internal LocalStateResource(string name, string command, string workingDirectory, ParameterResource password)
        : base(name, command, workingDirectory)
    {
        Password = password;
        Endpoint = new EndpointReference(this, EndpointName);
    }

    /// <summary>StackExchange.Redis' connection string.</summary>
    public ReferenceExpression ConnectionStringExpression => LocalStateResource.ConnectionString(Endpoint, Password);

    internal EndpointReference Endpoint { get; }

    internal ParameterResource Password { get; }

    internal static ReferenceExpression ConnectionString(EndpointReference endpoint, ParameterResource password) =>
        ReferenceExpression.Create($"{endpoint.Property(EndpointProperty.Host)}:{endpoint.Property(EndpointProperty.Port)},password={password}");
}

/// <summary>This project's own state server, which speaks Redis' protocol.</summary>
public sealed class EmbeddedStateResource : ProjectResource, IResourceWithConnectionString
{
    internal EmbeddedStateResource(string name, ParameterResource password)
        : base(name)
    {
        Password = password;
        Endpoint = new EndpointReference(this, LocalStateResource.EndpointName);
    }

    /// <summary>StackExchange.Redis' connection string.</summary>
    public ReferenceExpression ConnectionStringExpression => LocalStateResource.ConnectionString(Endpoint, Password);

    internal EndpointReference Endpoint { get; }

    internal ParameterResource Password { get; }
}
