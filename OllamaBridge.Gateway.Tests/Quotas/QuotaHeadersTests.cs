using Microsoft.AspNetCore.Http;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Quotas;

namespace OllamaBridge.Gateway.Tests.Quotas;

public class QuotaHeadersTests
{
    private static readonly QuotaLevels Levels = new(new QuotaLevel(5, 4, TimeSpan.FromMilliseconds(200)), new QuotaLevel(1000, 10, TimeSpan.FromSeconds(61)));

    [Theory]
    [InlineData(0, "0ms")]
    [InlineData(0.0195, "20ms")]
    [InlineData(1, "1s")]
    [InlineData(5.2, "6s")]
    [InlineData(60, "1m0s")]
    [InlineData(86_341, "23h59m1s")]
    public void Duration_Seconds_InOpenAIFormat(double seconds, string text) => Assert.Equal(text, QuotaHeaders.Duration(TimeSpan.FromSeconds(seconds)));

    [Fact]
    public void Write_OpenAI_SixHeaders() => Assert.Equal(
        "x-ratelimit-limit-requests=5 x-ratelimit-limit-tokens=1000 x-ratelimit-remaining-requests=4 x-ratelimit-remaining-tokens=10 "
        + "x-ratelimit-reset-requests=200ms x-ratelimit-reset-tokens=1m1s",
        Write(Protocol.OpenAI, Levels));

    [Fact]
    public void Write_Anthropic_SixHeaders() => Assert.Equal(
        "anthropic-ratelimit-requests-limit=5 anthropic-ratelimit-requests-remaining=4 anthropic-ratelimit-requests-reset=2026-01-31T12:00:01Z "
        + "anthropic-ratelimit-tokens-limit=1000 anthropic-ratelimit-tokens-remaining=10 anthropic-ratelimit-tokens-reset=2026-01-31T12:01:01Z",
        Write(Protocol.Anthropic, Levels));

    [Fact]
    public void Write_NoLimits_NoHeader() => Assert.Equal("", Write(Protocol.Ollama, default));

    private static string Write(Protocol protocol, QuotaLevels levels)
    {
        var headers = new HeaderDictionary();
        QuotaHeaders.Write(headers, protocol, levels, new DateTimeOffset(2026, 1, 31, 12, 0, 0, TimeSpan.Zero));
        return string.Join(' ', headers.Select(h => $"{h.Key}={h.Value}").Order(StringComparer.Ordinal));
    }
}
