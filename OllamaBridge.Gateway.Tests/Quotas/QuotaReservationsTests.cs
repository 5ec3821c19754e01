using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Tests.Quotas;

public sealed class QuotaReservationsTests
{
    private const int Assumed = 100;
    private readonly FakeTimeProvider _clock = new(DateTimeOffset.UnixEpoch);
    private readonly DefaultHttpContext _context = new();
    private readonly RecordingStore _store = new();
    private readonly QuotaReservations _reservations;

    public QuotaReservationsTests()
    {
        _context.Features.Set(new OperationFeature(OperationTable.Find("/api/chat", out _)!, ""));
        _reservations = new QuotaReservations(_store, Options.Create(new CapOptions { AssumedOutputTokens = Assumed }), _clock);
    }

    [Fact]
    public async Task Acquire_Admitted_ReservationOfRequest()
    {
        var (lease, tokens) = await _reservations.AcquireAsync(_context, Team(perDay: 1000), "a:latest");
        Assert.Equal(Assumed, tokens);
        Assert.Same(lease, _context.Features.Get<QuotaReservation>()!.Lease);
        Assert.Equal(["acquire a:latest"], _store.Log);
    }

    [Fact]
    public async Task Acquire_Refused_NoReservation()
    {
        _store.Refuses = true;
        var (lease, _) = await _reservations.AcquireAsync(_context, Team(perDay: 1000), "a:latest");
        Assert.False(lease.IsAcquired);
        Assert.Null(_context.Features.Get<QuotaReservation>());
    }

    [Fact]
    public async Task TryMove_Unlimited_NoReservationNeeded()
    {
        Assert.True(await MoveAsync(Team()));
        Assert.Empty(_store.Log);
    }

    [Fact]
    public async Task TryMove_OnlyLimitsForAllModels_ReservationStays()
    {
        var team = Team(perDay: 1000);
        await _reservations.AcquireAsync(_context, team, "a:latest");
        Assert.True(await MoveAsync(team));
        Assert.Equal(["acquire a:latest"], _store.Log);
        Assert.NotNull(_context.Features.Get<QuotaReservation>()!.Lease);
    }

    [Theory]
    [InlineData("a")]
    [InlineData("b")]
    public async Task TryMove_EitherModelHasLimits_SettledAndReservedAnew(string limited)
    {
        var team = Team(perDay: 1000, limited);
        await _reservations.AcquireAsync(_context, team, "a:latest");
        Assert.True(await MoveAsync(team));
        Assert.Equal(["acquire a:latest", "return 0 a:latest", "acquire b:latest"], _store.Log);
        Assert.True(_context.Features.Get<QuotaReservation>()!.Lease!.IsAcquired);
    }

    [Fact]
    public async Task TryMove_FromLimitedToUnlimitedModel_OnlySettled()
    {
        var team = Team(limited: "a");
        await _reservations.AcquireAsync(_context, team, "a:latest");
        Assert.True(await MoveAsync(team));
        Assert.Equal(["acquire a:latest", "return 0 a:latest"], _store.Log);
        Assert.Null(_context.Features.Get<QuotaReservation>()!.Lease);
    }

    [Fact]
    public async Task TryMove_NoRoomForOtherModel_FalseWithoutReservation()
    {
        var team = Team(perDay: 1000, limited: "b");
        await _reservations.AcquireAsync(_context, team, "a:latest");
        _store.Refuses = true;
        Assert.False(await MoveAsync(team));
        Assert.Equal(["acquire a:latest", "return 0 a:latest", "acquire b:latest"], _store.Log);
        Assert.Null(_context.Features.Get<QuotaReservation>()!.Lease);
    }

    private static Tenant Team(long? perDay = null, string? limited = null) => new()
    {
        Id = "team",
        Limits = new TenantLimits { TokensPerDay = perDay, Models = limited is null ? [] : [new ModelLimits { Model = limited, TokensPerDay = 500 }] },
    };

    private ValueTask<bool> MoveAsync(Tenant tenant) => _reservations.TryMoveAsync(_context, tenant, "a:latest", "b:latest");

    private sealed class RecordingStore : IQuotaStore
    {
        public bool Refuses { get; set; }

        public List<string> Log { get; } = [];

        public ValueTask<QuotaLease> AcquireAsync(QuotaDemand demand, CancellationToken cancellationToken)
        {
            Log.Add($"acquire {demand.Model}");
            return new(Refuses ? new QuotaLease(new QuotaRefusal(QuotaLimit.Day, 1000, false, null), default) : new Lease(this, demand.Model));
        }

        private sealed class Lease(RecordingStore store, string model) : QuotaLease(default, default)
        {
            protected override void Return(long tokens) => store.Log.Add($"return {tokens} {model}");
        }
    }
}
