namespace OllamaBridge.Gateway.Fleet.Discovery;

/// <summary>A Kubernetes Service.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Namespace">Its namespace; null for the bridge's own.</param>
internal sealed record ServiceName(string Name, string? Namespace)
{
    /// <summary>Reads a host as pods write it: <c>ollama</c>, <c>ollama.ai</c>, <c>ollama.ai.svc</c>, <c>ollama.ai.svc.cluster.local</c>.</summary>
    /// <returns>Null where it is no Service's name.</returns>
    public static ServiceName? Read(string host) => host.TrimEnd('.').Split('.') switch
    {
        [var name] when IsLabel(name) => new ServiceName(name, null),
        [var name, var space] when IsLabel(name) && IsLabel(space) => new ServiceName(name, space),
        [var name, var space, "svc", ..] when IsLabel(name) && IsLabel(space) => new ServiceName(name, space),
        _ => null,
    };

    /// <summary>As pods write it.</summary>
    public override string ToString() => Namespace is null ? Name : $"{Name}.{Namespace}";

    /// <summary>Whether it is a name as DNS has them (RFC 1123), as Services, namespaces and ports do.</summary>
    public static bool IsLabel(string text) =>
        text.Length is > 0 and <= 63 && text[0] != '-' && text[^1] != '-' && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');
}
