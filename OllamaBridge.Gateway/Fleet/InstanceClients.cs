
namespace OllamaBridge.Gateway.Fleet;

internal static class InstanceClients
{
    /// <summary>Opens a connection for each request. For rare requests with a body, which a stale connection would lose.</summary>
    public const string Fresh = "fresh";
}
