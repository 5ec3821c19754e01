using System.Net;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>A measured server that implements <c>/api/chat</c>. The simulators have several addresses.</summary>
internal sealed record Target(string Name, IReadOnlyList<IPEndPoint> Addresses, ChildServer Process)
{
    /// <summary>The clients' API keys; empty if the server needs none.</summary>
    public IReadOnlyList<string> Keys { get; init; } = [];

    /// <summary>The API key of a client; null if the server needs none.</summary>
    public string? KeyOf(int client) => Keys.Count == 0 ? null : Keys[client % Keys.Count];
}
