using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Tests.Common;

public class LinkedTimeoutTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Token_TimeoutPasses_CanceledAndExpired()
    {
        using var timeout = new LinkedTimeout(TimeSpan.FromSeconds(5), _time, CancellationToken.None);
        _time.Advance(TimeSpan.FromSeconds(4.9));
        Assert.False(timeout.Token.IsCancellationRequested);
        _time.Advance(TimeSpan.FromSeconds(0.1));
        Assert.True(timeout.Token.IsCancellationRequested);
        Assert.True(timeout.IsExpired);
    }

    [Fact]
    public async Task Token_OuterIsCanceled_CanceledButNotExpired()
    {
        using var outer = new CancellationTokenSource();
        using var timeout = new LinkedTimeout(TimeSpan.FromSeconds(5), _time, outer.Token);
        await outer.CancelAsync();
        Assert.True(timeout.Token.IsCancellationRequested);
        Assert.False(timeout.IsExpired);
    }
}
