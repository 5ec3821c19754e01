using System.Buffers;
using System.Collections.Frozen;
using System.Net.Http.Headers;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Which of a client's headers an instance never sees. Pure.</summary>
internal static class HeaderHygiene
{
    /// <summary>The prefix of headers that the bridge speaks with its clients and operators.</summary>
    public const string InternalPrefix = "X-Bridge-";

    private static readonly FrozenSet<string> Withheld = new[]
    {
        "Accept-Encoding", // the bridge reads responses: it asks for none that is compressed
        "Range", // a part of a response is none
        "If-Range",
        "Cookie", // credentials of whatever page the client runs in
        "Proxy-Authorization",
        "X-Api-Key",
        "Api-Key",
        "Origin", // answered by the bridge; an instance would refuse a foreign one
        "Referer",
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Prefix",
        "X-Real-IP",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    // All that a header's value may not hold (RFC 9110, 5.5): control characters but the tab.
    private static readonly SearchValues<char> Unwritable =
        SearchValues.Create([.. Enumerable.Range(0, 32).Where(c => c != '\t').Select(c => (char)c), (char)127]);

    /// <summary>Takes out what is not for an instance.</summary>
    /// <param name="headers">The outgoing request's headers.</param>
    /// <param name="passAuthorization">Whether <c>Authorization</c> may stay.</param>
    public static void Clean(HttpRequestHeaders headers, bool passAuthorization)
    {
        // The bridge's own address is no business of an instance, which refuses foreign ones.
        headers.Host = null;
        if (!passAuthorization)
            headers.Remove("Authorization");
        List<string>? remove = null;
        foreach (var (name, _) in headers.NonValidated)
            if (Withheld.Contains(name) || name.StartsWith(InternalPrefix, StringComparison.OrdinalIgnoreCase)
                || name.StartsWith("Access-Control-", StringComparison.OrdinalIgnoreCase))
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
}
