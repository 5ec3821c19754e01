using System.Net.Http.Headers;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Reads <c>Retry-After</c> (RFC 9110, 10.2.3): seconds, or a date.</summary>
internal static class RetryAfter
{
    /// <summary>How long an instance asks to be left alone; zero where it does not say, or the date has passed.</summary>
    /// <param name="headers">Its answer's headers.</param>
    /// <param name="now">The time.</param>
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
