using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Forwarding;

public class RetryAfterTests
{
    [Theory]
    [InlineData(null, 0)]
    [InlineData("7", 7)]
    [InlineData("0", 0)]
    [InlineData("-1", 0)]
    [InlineData("soon", 0)]
    [InlineData("Mon, 23 Nov 2026 12:00:30 GMT", 30)]
    [InlineData("Mon, 23 Nov 2026 11:00:00 GMT", 0)]
    [InlineData("99999999999999999999", 0)]
    public void Read_Any_SecondsFromNow(string? header, double seconds)
    {
        using var answer = new HttpResponseMessage();
        if (header is not null)
            answer.Headers.TryAddWithoutValidation("Retry-After", header);
        Assert.Equal(TimeSpan.FromSeconds(seconds), RetryAfter.Read(answer.Headers, FleetBuilder.Day));
    }

    [Fact]
    public void Usage_OllamasLastLine_HasTokenDurations()
    {
        using var watcher = StreamWatcher.For(StreamEnd.Done);
        watcher.Observe("{\"done\":true,\"eval_count\":20,\"eval_duration\":250000000,\"prompt_eval_duration\":5}\n"u8);
        Assert.Equal((20L, 250_000_000L), (watcher.OutputTokens, watcher.DecodeNanoseconds));
    }

    [Fact]
    public void Judge_TooManyRequests_RetriableElsewhere()
    {
        var chat = OperationTable.Find("/api/chat", out _)!;
        Assert.NotNull(UpstreamErrorClassifier.Judge(chat, 429, "{}"u8));
        Assert.True(UpstreamErrorClassifier.IsBusy(429));
    }
}
