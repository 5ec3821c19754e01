using System.Net;

namespace OllamaBridge.Gateway.Discovery;

/// <summary>Normalizes and compares the addresses of servers. Pure.</summary>
internal static class InstanceAddress
{
    private const string OpenAIPath = "/v1";

    /// <summary>An address that clients can connect to: <c>0.0.0.0</c> and <c>[::]</c>, copied from <c>OLLAMA_HOST</c>, become the loopback address.</summary>
    public static Uri Connectable(Uri url)
    {
        if (!IPAddress.TryParse(url.IdnHost, out var address))
            return url;
        var host = address.Equals(IPAddress.Any) ? "127.0.0.1" : address.Equals(IPAddress.IPv6Any) ? "[::1]" : null;
        return host is null ? url : new UriBuilder(url) { Host = host }.Uri;
    }

    /// <summary>The base of a server's routes, without a trailing slash. For an OpenAI server the URL may include <c>/v1</c>, as its clients expect.</summary>
    public static string Prefix(Uri url, bool isOpenAI)
    {
        var prefix = url.GetLeftPart(UriPartial.Path).TrimEnd('/');
        return isOpenAI && prefix.EndsWith(OpenAIPath, StringComparison.OrdinalIgnoreCase) ? prefix[..^OpenAIPath.Length].TrimEnd('/') : prefix;
    }

    /// <summary>Whether an instance has an address in any spelling: one server under two names would get twice its slots.</summary>
    public static bool IsSameServer(InstanceDefinition definition, Uri url, bool isOpenAI)
    {
        var isBothOpenAI = isOpenAI && definition.OpenAI is not null;
        var (a, b) = (definition.Url, url);
        return a.Scheme == b.Scheme && a.Port == b.Port && IsSameHost(a, b)
            && string.Equals(Path(a, isBothOpenAI), Path(b, isBothOpenAI), StringComparison.Ordinal);
    }

    /// <summary>An error text for an invalid address, with a valid example. It does not repeat a password, or a key after a question mark.</summary>
    public static string Mistake(string? text, string example) =>
        text?.Contains('@', StringComparison.Ordinal) == true
            ? "the address has a user name or password in it; leave them out (an instance's key goes into ApiKey)."
            : text?.Contains('?', StringComparison.Ordinal) == true || text?.Contains('#', StringComparison.Ordinal) == true
            ? $"the address has a query or a fragment; leave it out (an example: {example})."
            : $"'{text}' is not an address such as {example}.";

    private static string Path(Uri url, bool isOpenAI) => new Uri(Prefix(url, isOpenAI)).AbsolutePath.TrimEnd('/');

    private static bool IsSameHost(Uri a, Uri b)
    {
        var (x, y) = (Host(a), Host(b));
        return string.Equals(x, y, StringComparison.OrdinalIgnoreCase)
            // "localhost" is either loopback address.
            || (x == "localhost" && y is "127.0.0.1" or "::1")
            || (y == "localhost" && x is "127.0.0.1" or "::1");
    }

    private static string Host(Uri url)
    {
        var host = url.IdnHost.TrimEnd('.').ToLowerInvariant();
        return IPAddress.TryParse(host, out var address) ? (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString() : host;
    }
}
