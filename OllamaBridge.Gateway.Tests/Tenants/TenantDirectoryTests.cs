using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.State;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Tests.Tenants;

/// <summary>Tenant directories of several gateways over one store, and their behavior during an outage of the store.</summary>
public sealed class TenantDirectoryTests
{
    private readonly LosableStore _store = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Change_AtOneGateway_OtherUpdatedAfterRefresh()
    {
        var (a, b) = (await OpenAsync(), await OpenAsync());
        var (key, verifier) = ApiKey.Create();

        var made = await a.ChangeAsync("team", was => new TenantRecord { Id = "team", Keys = [new KeyRecord(verifier.ToString(), default, null)] }, Token);

        Assert.Equal(TenantChange.Done, made.Change);
        Assert.Equal(KeyOutcome.Known, a.Find(key).Outcome);
        Assert.Equal(KeyOutcome.Refused, b.Find(key).Outcome);
        Assert.True(await b.LoadAsync(Token));
        Assert.Equal("team", b.Find(key).Tenant.Id);
        Assert.Equal(TenantChange.Done, (await b.RemoveAsync("team", Token)).Change);
        Assert.Equal(KeyOutcome.Known, a.Find(key).Outcome);
        Assert.True(await a.LoadAsync(Token));
        Assert.Equal(KeyOutcome.Refused, a.Find(key).Outcome);
        Assert.Equal(TenantChange.NotFound, (await a.RemoveAsync("team", Token)).Change);
    }

    [Fact]
    public async Task Change_SameTenantConcurrently_BothApplied()
    {
        var directories = new[] { await OpenAsync(), await OpenAsync() };
        await directories[0].ChangeAsync("team", _ => new TenantRecord { Id = "team" }, Token);

        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => Task.Run(async () => Assert.Equal(
            TenantChange.Done,
            (await directories[i % 2].ChangeAsync("team", was => was is null ? null : was with { Models = [.. was.Models, $"m{i}"] }, Token)).Change))));

        await directories[0].LoadAsync(Token);
        Assert.Equal(40, directories[0].Tenants.Single().Models.Distinct().Count());
    }

    [Fact]
    public async Task Find_NeverRead_OnlyUnstorableKeysDecided()
    {
        var (configured, verifier) = ApiKey.Create();
        var (stored, _) = ApiKey.Create();
        _store.IsLost = true;
        var directory = await OpenAsync(new AccessOptions(), verifier.ToString());

        Assert.False(directory.IsRead);
        Assert.Equal(KeyOutcome.Known, directory.Find(configured).Outcome);
        Assert.Equal(KeyOutcome.Refused, directory.Find(configured + "x").Outcome);
        Assert.Equal(KeyOutcome.Refused, directory.Find("sk-anything").Outcome);
        Assert.Equal(KeyOutcome.Unchecked, directory.Find(stored).Outcome);
        Assert.True(directory.MayBeKnownLater(stored));
        Assert.False(directory.MayBeKnownLater(configured + "x"));
        Assert.False(directory.MayBeKnownLater("ollama"));

        _store.IsLost = false;
        Assert.True(await directory.LoadAsync(Token));
        Assert.Equal(KeyOutcome.Refused, directory.Find(stored).Outcome);
        Assert.False(directory.MayBeKnownLater(stored));
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public async Task LocalIsOperator_NeverRead_UnlessKeyRequired(bool requireKey, bool expected)
    {
        _store.IsLost = true;
        var directory = await OpenAsync(new AccessOptions { RequireKey = requireKey });
        Assert.Equal(expected, directory.LocalIsOperator);
        Assert.Equal(requireKey, directory.KeysRequired);
        _store.IsLost = false;
        await directory.LoadAsync(Token);
        Assert.True(directory.LocalIsOperator);
    }

    [Fact]
    public async Task Change_StoreLost_RefusedAndKnownTenantsValid()
    {
        var directory = await OpenAsync();
        await directory.ChangeAsync("team", _ => new TenantRecord { Id = "team" }, Token);
        _store.IsLost = true;

        Assert.Equal(TenantChange.Unavailable, (await directory.ChangeAsync("team", was => was! with { Weight = 5 }, Token)).Change);
        Assert.Equal(TenantChange.Unavailable, (await directory.RemoveAsync("team", Token)).Change);
        Assert.False(await directory.LoadAsync(Token));
        Assert.Equal(1, directory.Tenants.Single().Weight);
        Assert.True(directory.IsRead);
    }

    [Fact]
    public async Task Change_ResponseLost_VisibleAfterNextRefresh()
    {
        var directory = await OpenAsync();
        _store.LosesAnswers = true;
        Assert.Equal(TenantChange.Unavailable, (await directory.ChangeAsync("team", _ => new TenantRecord { Id = "team" }, Token)).Change);
        Assert.Empty(directory.Tenants);
        _store.LosesAnswers = false;
        await directory.LoadAsync(Token);
        Assert.Equal("team", directory.Tenants.Single().Id);
    }

    [Fact]
    public async Task Load_StoreReturnsWithLess_StoreWins()
    {
        var directory = await OpenAsync();
        await directory.ChangeAsync("a", _ => new TenantRecord { Id = "a" }, Token);
        await directory.ChangeAsync("b", _ => new TenantRecord { Id = "b" }, Token);
        _store.Inner = new MemoryTenantStore(isShared: true);
        await directory.LoadAsync(Token);
        Assert.Empty(directory.Tenants);
        Assert.Equal(TenantChange.Done, (await directory.ChangeAsync("c", _ => new TenantRecord { Id = "c" }, Token)).Change);
    }

    private async Task<TenantDirectory> OpenAsync(AccessOptions? access = null, string? key = null)
    {
        var tenants = new TenantsOptions();
        if (key is not null)
            tenants.Add("configured", new TenantOptions { Keys = [key] });
        var directory = new TenantDirectory(
            Options.Create(tenants), Options.Create(access ?? new AccessOptions()), _store, TimeProvider.System, NullLogger<TenantDirectory>.Instance);
        await directory.LoadAsync(Token);
        return directory;
    }

    /// <summary>A store with simulated outages and lost responses.</summary>
    private sealed class LosableStore : ITenantStore
    {
        public ITenantStore Inner { get; set; } = new MemoryTenantStore(isShared: true);

        public bool IsLost { get; set; }

        public bool LosesAnswers { get; set; }

        public bool IsShared => true;

        public ValueTask<TenantReading> ReadAsync(TenantVersion? known, CancellationToken cancellationToken) =>
            IsLost ? default : Inner.ReadAsync(known, cancellationToken);

        public async ValueTask<TenantWriting> ReplaceAsync(TenantVersion known, string id, TenantRecord? tenant, CancellationToken cancellationToken)
        {
            if (IsLost)
                return new TenantWriting(WriteOutcome.NoAnswer);
            var written = await Inner.ReplaceAsync(known, id, tenant, cancellationToken);
            return LosesAnswers ? new TenantWriting(WriteOutcome.NoAnswer) : written;
        }
    }
}
