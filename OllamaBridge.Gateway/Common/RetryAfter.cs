using System.Net.Http.Headers;

namespace OllamaBridge.Gateway.Common;

/// <summary>Reads <c>Retry-After</c> (RFC 9110, 10.2.3): seconds, or a date.</summary>
internal static class RetryAfter
{
    /// <summary>The duration until <paramref name="now"/> reaches the header's time; zero if there is no header or the date has passed.</summary>
    public static TimeSpan Read(HttpResponseHeaders headers, DateTimeOffset now)
    {
        var wait = headers.RetryAfter switch
        {
            { Delta: { } delta } => delta,
            { Date: { } date } => date - now,
            _ => TimeSpan.Zero,
        };
        return wait > TimeSpan.Zero ? wait : TimeSpan.Zero;
    }
}
