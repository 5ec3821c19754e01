namespace OllamaBridge.Gateway.Discovery;

/// <summary>How an entry's servers are discovered.</summary>
internal enum InstanceDiscovery
{
    /// <summary>One server, however many addresses its name has.</summary>
    None,

    /// <summary>One server for each address of the host in DNS, resolved periodically.</summary>
    Dns,

    /// <summary>One server for each SRV record of the host, resolved periodically.</summary>
    Srv,

    /// <summary>One server for each endpoint of a Kubernetes Service, watched through the Kubernetes API.</summary>
    Kubernetes,
}
