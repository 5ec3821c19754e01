using Microsoft.Extensions.Primitives;

namespace OllamaBridge.Gateway.Tenants;

/// <summary>The CORS headers of responses to pages whose origin is allowed. Pure.</summary>
internal static class CorsHeaders
{
    // The response of gin-contrib/cors as Ollama configures it (server/routes.go, 0.32.15).
    private const string Methods = "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS";
    private const string RequestHeaders = "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,Openai-Beta,X-Stainless-Arch,"
        + "X-Stainless-Async,X-Stainless-Custom-Poll-Interval,X-Stainless-Helper-Method,X-Stainless-Lang,X-Stainless-Os,"
        + "X-Stainless-Package-Version,X-Stainless-Poll-Helper,X-Stainless-Retry-Count,X-Stainless-Runtime,"
        + "X-Stainless-Runtime-Version,X-Stainless-Timeout,X-Api-Key,Anthropic-Version,Anthropic-Beta,"
        + "Anthropic-Dangerous-Direct-Browser-Access";

    // The bridge's own headers.
    private const string BridgeHeaders = "X-Bridge-Priority,X-Bridge-Deadline,X-Bridge-Progress,X-Bridge-Continuation,X-Request-Id,traceparent,tracestate";
    private const string Always = $"{BridgeHeaders},{RequestHeaders}";

    private const string Exposed = "X-Bridge-Instance,X-Bridge-Model,X-Bridge-Queue-Position,X-Bridge-Estimated-Wait,X-Bridge-Token-Count,X-Bridge-Partial,"
        + "X-Request-Id,Request-Id,Estimated-Wait,"
        + "Retry-After,WWW-Authenticate,x-should-retry,x-ratelimit-limit-requests,x-ratelimit-remaining-requests,x-ratelimit-reset-requests,"
        + "x-ratelimit-limit-tokens,x-ratelimit-remaining-tokens,x-ratelimit-reset-tokens,anthropic-ratelimit-requests-limit,"
        + "anthropic-ratelimit-requests-remaining,anthropic-ratelimit-requests-reset,anthropic-ratelimit-tokens-limit,"
        + "anthropic-ratelimit-tokens-remaining,anthropic-ratelimit-tokens-reset";

    // Longer than any real list. A longer one is not repeated.
    private const int MaxRequested = 4096;

    private static readonly HashSet<string> Known = [.. RequestHeaders.Split(',').Select(h => h.ToLowerInvariant())];

    public static void Write(IHeaderDictionary response, string origin)
    {
        response.AccessControlAllowOrigin = origin;
        response.Vary = "Origin";
        response.AccessControlExposeHeaders = Exposed;
    }

    public static void WritePreflight(IHeaderDictionary response, IHeaderDictionary request, string origin)
    {
        response.AccessControlAllowOrigin = origin;
        response.Vary = "Origin";
        response.AccessControlAllowMethods = Methods;
        response.AccessControlAllowHeaders = Allowed(request.AccessControlRequestHeaders);
        response.AccessControlMaxAge = "43200";
        // Private Network Access: a page of a public site sends a request to a server in a private network.
        if (request.TryGetValue("Access-Control-Request-Private-Network", out var isPrivate) && isPrivate == "true")
            response["Access-Control-Allow-Private-Network"] = "true";
    }

    /// <summary>Ollama's list, the bridge's headers, and the other requested ones: no header grants rights to an allowed origin.</summary>
    private static string Allowed(StringValues requested)
    {
        if (requested.ToString() is not { Length: > 0 and <= MaxRequested } text)
            return Always;
        var further = text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Where(name => !Known.Contains(name.ToLowerInvariant()) && IsToken(name))
            .ToArray();
        return further.Length == 0 ? Always : $"{Always},{string.Join(',', further)}";
    }

    private static bool IsToken(string name) => name.All(c => char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal));
}
