using System.Net;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>Something that answers <c>/api/chat</c>.</summary>
/// <param name="Name">What the report calls it.</param>
/// <param name="Addresses">Where it listens; the simulators have several.</param>
/// <param name="Process">Its process.</param>
internal sealed record Target(string Name, IReadOnlyList<IPEndPoint> Addresses, ChildServer Process)
{
    /// <summary>The clients' API keys, one after another; empty where it wants none.</summary>
    public IReadOnlyList<string> Keys { get; init; } = [];

    /// <summary>The key of one client; null where it needs none.</summary>
    public string? KeyOf(int client) => Keys.Count == 0 ? null : Keys[client % Keys.Count];
}
