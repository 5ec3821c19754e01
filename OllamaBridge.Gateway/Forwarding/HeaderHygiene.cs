using System.Buffers;
using System.Collections.Frozen;
using System.Net.Http.Headers;
using Microsoft.Extensions.Primitives;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Requests keep the headers that an instance needs, responses those that a model server sends. Pure.</summary>
internal static class HeaderHygiene
{
    public const string InternalPrefix = "X-Bridge-";

    private const string Authorization = "Authorization";

    private static readonly FrozenSet<string> ToInstance = new[]
    {
        "Accept",
        "User-Agent", // Ollama's responses differ for some clients
        "Expect",
        "Transfer-Encoding",
        "traceparent",
        "tracestate",
        "baggage",
        "X-Request-Id",
        "OpenAI-Beta",
        "Anthropic-Version",
        "Anthropic-Beta",
        "Content-Type",
        "Content-Length",
        "Content-Encoding",
        Authorization,
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenSet<string> ToClient = new[]
    {
        "Content-Type",
        "Content-Length",
        "Content-Encoding",
        "Transfer-Encoding",
        "Date",
        "Cache-Control", // in Anthropic streams (recording 03-v1-messages-anthropic-stream)
        "Allow",
        "Retry-After", // from servers other than Ollama
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    // Characters that a header's value must not contain (RFC 9110, 5.5): control characters except tab.
    private static readonly SearchValues<char> Unwritable =
        SearchValues.Create([.. Enumerable.Range(0, 32).Where(c => c != '\t').Select(c => (char)c), (char)127]);

    /// <param name="connection">The client's <c>Connection</c> header: the headers that it names end at the bridge (RFC 9110, 7.6.1).</param>
    public static void Clean(HttpRequestHeaders headers, bool passAuthorization, StringValues connection = default)
    {
        // Instances refuse requests whose Host is a foreign name, such as the bridge's.
        headers.Host = null;
        Remove(headers, name => !ToInstance.Contains(name)
            || (!passAuthorization && name.Equals(Authorization, StringComparison.OrdinalIgnoreCase)) || IsNamed(connection, name));
    }

    public static void Clean(HttpContentHeaders headers, StringValues connection = default) =>
        Remove(headers, name => !ToInstance.Contains(name) || (IsNamed(connection, name) && !name.StartsWith("Content-", StringComparison.OrdinalIgnoreCase)));

    /// <summary>Removes headers that no Ollama server sends, such as cookies, redirects and CORS permissions, except <paramref name="kept"/>.</summary>
    public static void Clean(HttpResponseMessage response, string? kept = null)
    {
        Remove(response.Headers, name => !ToClient.Contains(name) && !name.Equals(kept, StringComparison.OrdinalIgnoreCase));
        Remove(response.Content.Headers, name => !ToClient.Contains(name));
    }

    private static void Remove(HttpHeaders headers, Func<string, bool> isUnwanted)
    {
        List<string>? remove = null;
        foreach (var (name, _) in headers.NonValidated)
            if (isUnwanted(name))
                (remove ??= []).Add(name);
        if (remove is null)
            return;
        foreach (var name in remove)
            headers.Remove(name);
    }

    /// <summary>Removes headers whose values contain control characters, which can't be written to a client.</summary>
    public static void CleanResponse(HttpHeaders headers)
    {
        List<string>? remove = null;
        foreach (var (name, values) in headers.NonValidated)
            foreach (var value in values)
                if (value.AsSpan().ContainsAny(Unwritable))
                {
                    (remove ??= []).Add(name);
                    break;
                }

        foreach (var name in remove ?? [])
            headers.Remove(name);
    }

    private static bool IsNamed(StringValues connection, string header)
    {
        foreach (var value in connection)
            foreach (var part in value.AsSpan().Split(','))
                if (value.AsSpan(part).Trim().Equals(header, StringComparison.OrdinalIgnoreCase))
                    return true;
        return false;
    }
}
