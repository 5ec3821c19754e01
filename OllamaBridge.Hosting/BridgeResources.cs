using Aspire.Hosting.ApplicationModel;

namespace OllamaBridge.Hosting;

/// <summary>The gateway as a project of this repository.</summary>
internal sealed class BridgeProjectResource : ProjectResource, IOllamaBridgeResource
{
    public BridgeProjectResource(string name, IHostProbe host)
        : base(name) => Fleet = new BridgeModel(this, host);

    public BridgeModel Fleet { get; }
}

/// <summary>The gateway as a .NET tool, which <c>dotnet tool exec</c> downloads and runs.</summary>
internal sealed class BridgeToolResource : DotnetToolResource, IOllamaBridgeResource
{
    public BridgeToolResource(string name, IHostProbe host)
        : base(name, Programs.GatewayPackage) => Fleet = new BridgeModel(this, host);

    public BridgeModel Fleet { get; }
}

/// <summary>The gateway as a container image, for published applications.</summary>
internal sealed class BridgeContainerResource : ContainerResource, IOllamaBridgeResource
{
    public BridgeContainerResource(string name, IHostProbe host)
        : base(name) => Fleet = new BridgeModel(this, host);

    public BridgeModel Fleet { get; }
}
