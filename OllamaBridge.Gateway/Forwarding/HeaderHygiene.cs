using System.Buffers;
using System.Collections.Frozen;
using System.Net.Http.Headers;
using Microsoft.Extensions.Primitives;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Which headers cross the bridge: from a client to an instance only those that an instance needs, back only those that a server sends. Pure.</summary>
internal static class HeaderHygiene
{
    /// <summary>The prefix of headers between the bridge and its clients and operators.</summary>
    public const string InternalPrefix = "X-Bridge-";

    private const string Authorization = "Authorization";

    private static readonly FrozenSet<string> ToInstance = new[]
    {
        "Accept",
        "User-Agent", // Ollama answers some clients differently
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
        "Cache-Control", // of Anthropic's streams (recording 03-v1-messages-anthropic-stream)
        "Allow",
        "Retry-After", // of servers that are not Ollama's
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    // All that a header's value may not hold (RFC 9110, 5.5): control characters but the tab.
    private static readonly SearchValues<char> Unwritable =
        SearchValues.Create([.. Enumerable.Range(0, 32).Where(c => c != '\t').Select(c => (char)c), (char)127]);

    /// <summary>Takes out of a request what is not for an instance.</summary>
    /// <param name="headers">The outgoing request's headers.</param>
    /// <param name="passAuthorization">Whether <c>Authorization</c> may stay.</param>
    /// <param name="connection">The client's <c>Connection</c>: what it names is for the bridge alone (RFC 9110, 7.6.1).</param>
    public static void Clean(HttpRequestHeaders headers, bool passAuthorization, StringValues connection = default)
    {
        // The bridge's own address is no business of an instance, which refuses foreign ones.
        headers.Host = null;
        Remove(headers, name => !ToInstance.Contains(name)
            || (!passAuthorization && name.Equals(Authorization, StringComparison.OrdinalIgnoreCase)) || IsNamed(connection, name));
    }

    /// <summary>Takes out of a request's content headers what is not for an instance.</summary>
    public static void Clean(HttpContentHeaders headers, StringValues connection = default) =>
        Remove(headers, name => !ToInstance.Contains(name) || (IsNamed(connection, name) && !name.StartsWith("Content-", StringComparison.OrdinalIgnoreCase)));

    /// <summary>Takes out of an answer what no Ollama server sends, such as cookies, redirects, and permissions for browsers.</summary>
    /// <param name="response">The instance's answer.</param>
    /// <param name="kept">A further header that stays; null for none.</param>
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

    /// <summary>Takes out response headers that can't be written to a client: control characters.</summary>
    /// <param name="headers">An instance's headers.</param>
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
