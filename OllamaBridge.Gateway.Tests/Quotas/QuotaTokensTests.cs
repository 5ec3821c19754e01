using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Tests.Quotas;

public class QuotaTokensTests
{
    private static readonly UsageLimits Thousand = new() { TokensPerMinute = 1000, TokensPerDay = 5000 };

    [Theory]
    [InlineData("/api/chat", 400, 0, 0, 100)]
    [InlineData("/api/chat", 401, 0, 0, 101)]
    [InlineData("/api/chat", 1_000_400, 1_000_000, 2, 1636)] // images count by number, not by size
    [InlineData("/v1/audio/transcriptions", 1_000_000, 0, 0, 0)]
    [InlineData("/api/show", 400, 0, 0, 0)]
    public void Prompt_ByRoute_QuarterOfBytes(string path, long bytes, long imageBytes, int images, long tokens) =>
        Assert.Equal(tokens, QuotaTokens.Prompt(Operation(path), bytes, new RequestDemands { Images = images, ImageBytes = imageBytes }));

    [Theory]
    [InlineData("/api/chat", 100, 50L, 150)]
    [InlineData("/api/chat", 100, 0L, 100)]
    [InlineData("/api/chat", 100, 5000L, 5100)] // the declared length is reserved although it cannot fit
    [InlineData("/api/chat", 100, null, 612)]
    [InlineData("/api/chat", 100, -1L, 612)]
    [InlineData("/api/chat", 900, null, 1000)] // an estimate refuses no request
    [InlineData("/api/chat", 1200, null, 1200)]
    [InlineData("/api/embed", 100, null, 100)]
    [InlineData("/api/embed", 0, null, 1)]
    [InlineData("/api/show", 100, null, 0)]
    public void Reserve_ByRouteAndLength_PromptPlusResponse(string path, long prompt, long? output, long tokens) =>
        Assert.Equal(tokens, QuotaTokens.Reserve(Operation(path), prompt, new RequestDemands { Output = output }, 512, Thousand, null));

    [Fact]
    public void Reserve_SmallerModelContext_EstimateFitsModel() =>
        Assert.Equal(300, QuotaTokens.Reserve(Operation("/api/chat"), 100, default, 512, Thousand, new UsageLimits { TokensPerDay = 300 }));

    [Fact]
    public void Reserve_HugeLength_DoesNotOverflow() =>
        Assert.InRange(QuotaTokens.Reserve(Operation("/api/chat"), 100, new RequestDemands { Output = long.MaxValue }, 512, new(), null), 1, long.MaxValue / 1000);

    [Theory]
    [InlineData("/api/chat", 1, "Succeeded", 20, 30, 50)]
    [InlineData("/api/chat", 1, "Succeeded", 0, 30, 130)] // without a counted prompt, the estimate holds
    [InlineData("/api/chat", 1, "Cancelled", 0, 7, 107)]
    [InlineData("/api/chat", 1, "Truncated", 0, 7, 107)]
    [InlineData("/api/chat", 0, "Cancelled", 0, 0, 0)] // the client left the queue
    [InlineData("/api/chat", 2, "Failed", 0, 0, 0)]
    [InlineData("/api/chat", 1, "Rejected", 0, 0, 0)]
    [InlineData("/api/show", 1, "Succeeded", 0, 0, 0)]
    public void Used_ByOutcome_CountedTokens(string path, int attempts, string outcome, long input, long output, long used) =>
        Assert.Equal(used, QuotaTokens.Used(
            Operation(path), new RequestResult(0) { Attempts = attempts, InputTokens = input, OutputTokens = output }, promptEstimate: 100, Enum.Parse<RequestOutcome>(outcome)));

    private static Operation Operation(string path) => OperationTable.Find(path, out _)!;
}
