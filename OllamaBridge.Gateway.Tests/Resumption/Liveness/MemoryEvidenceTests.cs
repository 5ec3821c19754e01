using System.Globalization;
using System.Text.Json;
using OllamaBridge.Gateway.Resumption.Liveness;

namespace OllamaBridge.Gateway.Tests.Resumption.Liveness;

public sealed class MemoryEvidenceTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly MemoryEvidence _evidence = new("m:latest");

    [Fact]
    public void Add_FixedExpiry_NotLoading()
    {
        for (var i = 0; i < 10; i++)
            Look(i * 2, Start);
        Assert.False(_evidence.IsLoading);
    }

    [Fact]
    public void Add_ExpiryMovesWithTheClock_Loading()
    {
        Look(0, Start);
        Look(2, Start.AddSeconds(2));
        Assert.False(_evidence.IsLoading);
        Look(4, Start.AddSeconds(4.1));
        Assert.True(_evidence.IsLoading);
    }

    [Fact]
    public void Add_ExpiryChangedOnce_NotLoading()
    {
        Look(0, Start);
        Look(2, Start.AddSeconds(2));
        Look(4, Start.AddSeconds(2));
        Look(6, Start.AddSeconds(300));
        Look(8, Start.AddSeconds(300));
        Assert.False(_evidence.IsLoading);
    }

    [Fact]
    public void Add_NotListed_Loading()
    {
        Look(0, Start, "other:latest");
        Assert.True(_evidence.IsLoading);
    }

    [Fact]
    public void Add_RouteMissing_NoEvidence()
    {
        using var json = JsonDocument.Parse("null");
        _evidence.Add(json.RootElement, TimeSpan.Zero);
        Assert.False(_evidence.IsLoading);
    }

    [Fact]
    public void Add_NoResponse_Loading()
    {
        _evidence.AddNoAnswer(mayReload: true);
        Assert.True(_evidence.IsLoading);
    }

    private void Look(double at, DateTimeOffset expiresAt, string name = "m:latest")
    {
        using var json = JsonDocument.Parse($$"""{"models":[{"name":"{{name}}","expires_at":"{{expiresAt.ToString("O", CultureInfo.InvariantCulture)}}"}]}""");
        _evidence.Add(json.RootElement, TimeSpan.FromSeconds(at));
    }
}
