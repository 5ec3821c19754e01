namespace OllamaBridge.Gateway.Tenants;

/// <summary>Decides which browser origins may send requests: Ollama's own list (<c>envconfig.AllowedOrigins</c>, 0.32.15) and allowed ones. Pure.</summary>
internal static class OriginRules
{
    private static readonly string[] LocalHosts = ["localhost", "127.0.0.1", "0.0.0.0"];
    private static readonly string[] Schemes = ["app://", "file://", "tauri://", "vscode-webview://", "vscode-file://"];

    /// <summary>Whether an origin is allowed. <c>*</c> in an entry of <paramref name="alsoAllowed"/> stands for any text.</summary>
    public static bool IsAllowed(string origin, IList<string> alsoAllowed)
    {
        foreach (var scheme in Schemes)
            if (origin.StartsWith(scheme, StringComparison.OrdinalIgnoreCase))
                return true;
        var afterScheme = origin.StartsWith("http://", StringComparison.OrdinalIgnoreCase) ? origin.AsSpan(7)
            : origin.StartsWith("https://", StringComparison.OrdinalIgnoreCase) ? origin.AsSpan(8)
            : default;
        foreach (var host in LocalHosts)
            if (afterScheme.StartsWith(host, StringComparison.OrdinalIgnoreCase)
                && (afterScheme.Length == host.Length || IsPort(afterScheme[host.Length..])))
                return true;
        foreach (var allowed in alsoAllowed)
            if (Matches(origin, allowed))
                return true;
        return false;
    }

    private static bool IsPort(ReadOnlySpan<char> text) =>
        text[0] == ':' && text.Length > 1 && text[1..].IndexOfAnyExceptInRange('0', '9') < 0;

    private static bool Matches(string origin, string pattern)
    {
        var star = pattern.IndexOf('*', StringComparison.Ordinal);
        if (star < 0)
            return string.Equals(origin, pattern, StringComparison.OrdinalIgnoreCase);
        return origin.Length >= pattern.Length - 1
            && origin.StartsWith(pattern[..star], StringComparison.OrdinalIgnoreCase)
            && origin.EndsWith(pattern[(star + 1)..], StringComparison.OrdinalIgnoreCase);
    }
}
