using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Quotas;

namespace OllamaBridge.Gateway.Tests.Quotas;

public class CapsTests
{
    private static readonly CapOptions All = new() { MaxOutputTokens = 100, MaxContext = 4096, MaxImages = 2, MaxKeepAlive = TimeSpan.FromMinutes(10) };

    [Fact]
    public void Check_NoCaps_NoFault() => Assert.Null(Caps.Check(
        new RequestDemands { Output = -1, Context = long.MaxValue, Images = 9, KeepAlive = TimeSpan.MaxValue }, new CapOptions()));

    [Fact]
    public void Check_NothingRequested_NoFault() => Assert.Null(Caps.Check(default, All));

    [Fact]
    public void Check_AtCaps_NoFault() => Assert.Null(Caps.Check(
        new RequestDemands { Output = 100, OutputField = "max_tokens", Context = 4096, Images = 2, KeepAlive = TimeSpan.FromMinutes(10) }, All));

    [Fact]
    public void Check_OverCap_NamesFieldAndCap()
    {
        Assert.Equal("max_tokens is 101; at most 100 is allowed (Bridge:Limits:MaxOutputTokens)", Check(new() { Output = 101, OutputField = "max_tokens" }));
        Assert.Equal(
            "options.num_predict asks for an unlimited response; at most 100 tokens are allowed (Bridge:Limits:MaxOutputTokens)",
            Check(new() { Output = -2, OutputField = "options.num_predict" }));
        Assert.Equal("options.num_ctx is 4097; at most 4096 is allowed (Bridge:Limits:MaxContext)", Check(new() { Context = 4097 }));
        Assert.Equal("the request has 3 images; at most 2 are allowed (Bridge:Limits:MaxImages)", Check(new() { Images = 3 }));
        Assert.Equal("keep_alive is 600.5s; at most 600s is allowed (Bridge:Limits:MaxKeepAlive)", Check(new() { KeepAlive = TimeSpan.FromSeconds(600.5) }));
        Assert.Equal(
            "keep_alive asks to keep the model loaded indefinitely; at most 600s is allowed (Bridge:Limits:MaxKeepAlive)", Check(new() { KeepAlive = TimeSpan.MaxValue }));
    }

    private static string? Check(RequestDemands demands) => Caps.Check(demands, All);
}
