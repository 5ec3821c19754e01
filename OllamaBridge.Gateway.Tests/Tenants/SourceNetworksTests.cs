using System.Net;
using Microsoft.AspNetCore.Http;
using OllamaBridge.Gateway.Tenants;

using IPNetwork = System.Net.IPNetwork;

namespace OllamaBridge.Gateway.Tests.Tenants;

public class SourceNetworksTests
{
    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)] // the address is the proxy's, not the client's
    public void Find_LoopbackNetwork_NotForClientsOfLocalProxy(bool isProxied, bool isFound)
    {
        var networks = new SourceNetworks([(IPNetwork.Parse("127.0.0.0/8"), Tenant.Anonymous)]);
        var context = new DefaultHttpContext { Connection = { RemoteIpAddress = IPAddress.Loopback } };
        if (isProxied)
            ProxiedRequests.MarkRemote(context);
        Assert.Equal(isFound, networks.Find(context) is not null);
    }
}
