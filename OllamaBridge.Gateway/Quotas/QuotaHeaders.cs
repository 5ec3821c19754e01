using System.Globalization;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Quotas;

/// <summary>Writes the levels of limits to the headers that OpenAI's and Anthropic's clients read. Pure.</summary>
internal static class QuotaHeaders
{
    /// <summary>Keeps OpenAI's and Anthropic's clients from retrying automatically.</summary>
    public const string ShouldRetry = "x-should-retry";

    private static readonly Names OpenAIRequests = new("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests");
    private static readonly Names OpenAITokens = new("x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens");

    private static readonly Names AnthropicRequests = new(
        "anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset");

    private static readonly Names AnthropicTokens = new(
        "anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset");

    public static void Write(IHeaderDictionary headers, Protocol protocol, in QuotaLevels levels, DateTimeOffset now)
    {
        var isAnthropic = protocol == Protocol.Anthropic;
        Write(headers, isAnthropic, isAnthropic ? AnthropicRequests : OpenAIRequests, levels.Requests, now);
        Write(headers, isAnthropic, isAnthropic ? AnthropicTokens : OpenAITokens, levels.Tokens, now);
    }

    /// <summary>A duration in OpenAI's format: <c>20ms</c>, <c>6s</c>, <c>1m0s</c>, <c>23h59m1s</c>.</summary>
    public static string Duration(TimeSpan time)
    {
        if (time < TimeSpan.FromSeconds(1))
            return string.Create(CultureInfo.InvariantCulture, $"{(long)Math.Ceiling(Math.Max(0, time.TotalMilliseconds))}ms");
        var seconds = (long)Math.Ceiling(time.TotalSeconds);
        return seconds switch
        {
            < 60 => string.Create(CultureInfo.InvariantCulture, $"{seconds}s"),
            < 3600 => string.Create(CultureInfo.InvariantCulture, $"{seconds / 60}m{seconds % 60}s"),
            _ => string.Create(CultureInfo.InvariantCulture, $"{seconds / 3600}h{seconds / 60 % 60}m{seconds % 60}s"),
        };
    }

    private static void Write(IHeaderDictionary headers, bool isAnthropic, Names names, QuotaLevel? level, DateTimeOffset now)
    {
        if (level is not { } known)
            return;
        headers[names.Limit] = known.Limit.ToString(CultureInfo.InvariantCulture);
        headers[names.Remaining] = known.Remaining.ToString(CultureInfo.InvariantCulture);
        // Whole seconds, rounded up: never too early.
        headers[names.Reset] = isAnthropic
            ? (now + known.Reset + TimeSpan.FromSeconds(1) - TimeSpan.FromTicks(1)).UtcDateTime.ToString(
                "yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture)
            : Duration(known.Reset);
    }

    private sealed record Names(string Limit, string Remaining, string Reset);
}
