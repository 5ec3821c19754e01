using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace OllamaBridge.Hosting;

/// <summary>A server with the Redis protocol that runs on this machine.</summary>
internal interface ILocalState : IResourceWithConnectionString, IResourceWithEndpoints, IResourceWithEnvironment, IResourceWithArgs, IResourceWithWaitSupport
{
    internal const string EndpointName = "tcp";

    ParameterResource Password { get; }

    EndpointReference Endpoint => new(this, EndpointName);

    /// <summary>The connection string for StackExchange.Redis.</summary>
    ReferenceExpression IResourceWithConnectionString.ConnectionStringExpression => ReferenceExpression.Create(
        $"{Endpoint.Property(EndpointProperty.Host)}:{Endpoint.Property(EndpointProperty.Port)},password={Password}");
}

/// <summary><c>redis-server</c> from PATH.</summary>
internal sealed class RedisExecutableResource(string name, string workingDirectory, ParameterResource password)
    : ExecutableResource(name, BridgeStateExtensions.RedisProgram, workingDirectory), ILocalState
{
    public ParameterResource Password { get; } = password;
}

/// <summary>OllamaBridge's state server as a project of this repository.</summary>
internal sealed class EmbeddedStateProjectResource(string name, ParameterResource password) : ProjectResource(name), ILocalState
{
    public ParameterResource Password { get; } = password;
}

/// <summary>OllamaBridge's state server as a .NET tool.</summary>
internal sealed class EmbeddedStateToolResource(string name, ParameterResource password) : DotnetToolResource(name, Programs.StateServerPackage), ILocalState
{
    public ParameterResource Password { get; } = password;
}
