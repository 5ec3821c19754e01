using System.Buffers.Text;
using System.Text;

namespace OllamaBridge.Gateway.Tenants;

/// <summary>Reads the keys of a request from all headers that clients use.</summary>
internal static class Credentials
{
    private const string Bearer = "Bearer ";
    private const string Basic = "Basic ";
    private static readonly string[] Names = ["x-api-key", "api-key"];

    /// <summary>Returns the keys in the order in which they are tried; they may include keys of other services.</summary>
    public static IEnumerable<string> Of(IHeaderDictionary headers)
    {
        foreach (var value in headers.Authorization)
            if (value is null)
                continue;
            else if (value.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase))
                yield return value[Bearer.Length..].Trim();
            else if (value.StartsWith(Basic, StringComparison.OrdinalIgnoreCase))
                yield return PasswordOf(value[Basic.Length..].Trim());
        // Headers of Anthropic's and Azure's clients.
        foreach (var name in Names)
            foreach (var value in headers[name])
                if (!string.IsNullOrWhiteSpace(value))
                    yield return value.Trim();
    }

    // Clients send Basic credentials if their base URL is http://any:KEY@bridge.
    private static string PasswordOf(string encoded)
    {
        var bytes = new byte[Base64.GetMaxDecodedFromUtf8Length(encoded.Length)];
        if (!Convert.TryFromBase64String(encoded, bytes, out var length))
            return encoded;
        var text = Encoding.UTF8.GetString(bytes, 0, length);
        return text[(text.IndexOf(':', StringComparison.Ordinal) + 1)..];
    }
}
