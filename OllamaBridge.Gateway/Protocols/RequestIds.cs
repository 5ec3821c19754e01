using System.Net;
using System.Security.Cryptography;
using Microsoft.AspNetCore.HttpOverrides;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Ids are accepted from this machine, and from any proxy if <c>ASPNETCORE_FORWARDEDHEADERS_ENABLED</c> is set.</summary>
internal sealed class RequestIds(IConfiguration configuration)
{
    public const string Header = "X-Request-Id";

    public const string AnthropicHeader = "request-id";

    private const int MaxLength = 128;
    private const int RandomDigits = 24;
    private const string Prefix = "req_";
    private readonly bool _trustsProxies = string.Equals(configuration["ForwardedHeaders_Enabled"], "true", StringComparison.OrdinalIgnoreCase);

    public void Assign(HttpContext context)
    {
        var id = context.Request.Headers[Header] is [{ } sent] && IsValid(sent) && IsTrusted(context) ? sent : Create();
        context.TraceIdentifier = id;
        context.Response.Headers[Header] = id;
        if (OperationTable.ProtocolOf(context.Request.Path.Value ?? "/") == Protocol.Anthropic)
            context.Response.Headers[AnthropicHeader] = id;
    }

    public static string Create() => string.Concat(Prefix, RandomNumberGenerator.GetHexString(RandomDigits, lowercase: true));

    public static bool IsValid(string id)
    {
        if (id.Length is 0 or > MaxLength)
            return false;
        foreach (var c in id)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.' or ':' or '=' or '+' or '/' or '@'))
                return false;
        return true;
    }

    private bool IsTrusted(HttpContext context) =>
        context.Request.Headers.ContainsKey(ForwardedHeadersDefaults.XOriginalForHeaderName)
            ? _trustsProxies
            : _trustsProxies
                || (context.Connection.RemoteIpAddress is { } address && IPAddress.IsLoopback(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address));
}
