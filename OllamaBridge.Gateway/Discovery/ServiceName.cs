namespace OllamaBridge.Gateway.Discovery;

/// <summary>The name of a Kubernetes Service; the namespace is null for the bridge's own.</summary>
internal sealed record ServiceName(string Name, string? Namespace)
{
    /// <summary>Parses <c>ollama</c>, <c>ollama.ai</c>, <c>ollama.ai.svc</c> and <c>ollama.ai.svc.cluster.local</c>; null for other hosts.</summary>
    public static ServiceName? Read(string host) => host.TrimEnd('.').Split('.') switch
    {
        [var name] when IsLabel(name) => new ServiceName(name, null),
        [var name, var space] when IsLabel(name) && IsLabel(space) => new ServiceName(name, space),
        [var name, var space, "svc", ..] when IsLabel(name) && IsLabel(space) => new ServiceName(name, space),
        _ => null,
    };

    public override string ToString() => Namespace is null ? Name : $"{Name}.{Namespace}";

    /// <summary>Whether a text is a DNS label (RFC 1123), as are the names of Services, namespaces and ports.</summary>
    public static bool IsLabel(string text) =>
        text.Length is > 0 and <= 63 && text[0] != '-' && text[^1] != '-' && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');
}
