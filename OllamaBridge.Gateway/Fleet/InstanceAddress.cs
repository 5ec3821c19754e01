using System.Net;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Addresses of servers as people write them. Pure.</summary>
internal static class InstanceAddress
{
    private const string OpenAIPath = "/v1";

    /// <summary>An address that can be connected to: <c>0.0.0.0</c> and <c>[::]</c>, copied from <c>OLLAMA_HOST</c>, mean this machine.</summary>
    public static Uri Connectable(Uri url)
    {
        if (!IPAddress.TryParse(url.IdnHost, out var address))
            return url;
        var host = address.Equals(IPAddress.Any) ? "127.0.0.1" : address.Equals(IPAddress.IPv6Any) ? "[::1]" : null;
        return host is null ? url : new UriBuilder(url) { Host = host }.Uri;
    }

    /// <summary>The address under which a server's routes are, without a slash at its end. That of an OpenAI server may be given with its <c>/v1</c>, as its clients want it.</summary>
    public static string Prefix(Uri url, bool isOpenAI)
    {
        var prefix = url.GetLeftPart(UriPartial.Path).TrimEnd('/');
        return isOpenAI && prefix.EndsWith(OpenAIPath, StringComparison.OrdinalIgnoreCase) ? prefix[..^OpenAIPath.Length].TrimEnd('/') : prefix;
    }

    /// <summary>Whether an instance has an address, in whatever spelling: twice the same server would get twice its slots.</summary>
    /// <param name="definition">The instance.</param>
    /// <param name="url">The address.</param>
    /// <param name="isOpenAI">Whether what has that address is an OpenAI server.</param>
    public static bool IsSameServer(InstanceDefinition definition, Uri url, bool isOpenAI)
    {
        var isBothOpenAI = isOpenAI && definition.OpenAI is not null;
        var (a, b) = (definition.Url, url);
        return a.Scheme == b.Scheme && a.Port == b.Port && IsSameHost(a, b)
            && string.Equals(Path(a, isBothOpenAI), Path(b, isBothOpenAI), StringComparison.Ordinal);
    }

    /// <summary>What is wrong with a text that is no address. A password, or a key behind a question mark, is not repeated.</summary>
    /// <param name="text">The text.</param>
    /// <param name="example">What an address looks like.</param>
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
            // "localhost" is either of the two loopback addresses.
            || (x == "localhost" && y is "127.0.0.1" or "::1")
            || (y == "localhost" && x is "127.0.0.1" or "::1");
    }

    private static string Host(Uri url)
    {
        var host = url.IdnHost.TrimEnd('.').ToLowerInvariant();
        return IPAddress.TryParse(host, out var address) ? (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString() : host;
    }
}
