using System.Net;
using System.Security.Cryptography;
using Microsoft.AspNetCore.HttpOverrides;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>
/// Gives each request an id, which the response repeats as <c>X-Request-Id</c>, and on Anthropic's routes as <c>request-id</c>. The id of a trusted sender
/// is kept: of this machine, such as a reverse proxy here, and of any proxy if <c>ASPNETCORE_FORWARDEDHEADERS_ENABLED</c> is set.
/// </summary>
internal sealed class RequestIds(IConfiguration configuration)
{
    /// <summary>The header of requests and responses.</summary>
    public const string Header = "X-Request-Id";

    /// <summary>The header of responses that Anthropic's clients read.</summary>
    public const string AnthropicHeader = "request-id";

    private const int MaxLength = 128;
    private const int RandomDigits = 24;
    private const string Prefix = "req_";
    private readonly bool _trustsProxies = string.Equals(configuration["ForwardedHeaders_Enabled"], "true", StringComparison.OrdinalIgnoreCase);

    /// <summary>Gives a request its id: <see cref="HttpContext.TraceIdentifier"/>.</summary>
    public void Assign(HttpContext context)
    {
        var id = context.Request.Headers[Header] is [{ } sent] && IsValid(sent) && IsTrusted(context) ? sent : Create();
        context.TraceIdentifier = id;
        context.Response.Headers[Header] = id;
        if (OperationTable.ProtocolOf(context.Request.Path.Value ?? "/") == Protocol.Anthropic)
            context.Response.Headers[AnthropicHeader] = id;
    }

    /// <summary>Makes an id in the form that OpenAI and Anthropic use.</summary>
    public static string Create() => string.Concat(Prefix, RandomNumberGenerator.GetHexString(RandomDigits, lowercase: true));

    /// <summary>Whether an id may stand in headers and logs.</summary>
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
