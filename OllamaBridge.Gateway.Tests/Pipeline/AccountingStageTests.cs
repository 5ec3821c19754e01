using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Pipeline;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Bodies;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Shutdown;
using OllamaBridge.Gateway.State;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;
using OllamaBridge.Testing.Queueing;

namespace OllamaBridge.Gateway.Tests.Pipeline;

public sealed class AccountingStageTests : IDisposable
{
    private readonly FakeTimeProvider _clock = new(FleetBuilder.Day);
    private readonly TestMeters _meters = new();
    private readonly FakeLifetime _lifetime = new();
    private readonly FakeFleet _fleet = new();
    private readonly RecordingLedger _ledger = new();
    private readonly GracefulStop _stop;
    private readonly AccountingStage _stage;

    public AccountingStageTests()
    {
        _fleet.Publish(new FleetBuilder().With("i").Build());
        _stop = new GracefulStop(
            _lifetime, Options.Create(new ShutdownOptions()), Options.Create(new HostOptions()), _clock, NullLogger<GracefulStop>.Instance);
        var metrics = new RequestMetrics(_meters);
        var audit = new AuditTrail(new MemoryAuditStore(Options.Create(new AuditOptions())), Options.Create(new AuditOptions()), _clock, NullLoggerFactory.Instance);
        _stage = new AccountingStage(
            new RequestRecorder(_ledger, new RecentFigures(_clock), _fleet, metrics, _clock, NullLogger<RequestRecorder>.Instance),
            new ModelAudit(audit, _fleet),
            _stop,
            metrics,
            _clock,
            NullLogger<AccountingStage>.Instance);
    }

    public void Dispose()
    {
        _stop.Dispose();
        _lifetime.Dispose();
        _meters.Dispose();
    }

    [Fact]
    public async Task Invoke_RequestEnds_RecordedOnceWithItsFeatures()
    {
        var context = StageContext.Create(tenant: new Tenant { Id = "team" });
        await _stage.InvokeAsync(context, c =>
        {
            Assert.Equal(1, _stop.Running);
            Assert.Empty(_ledger.Records);
            var result = c.Features.Get<RequestResult>()!;
            (result.InputTokens, result.OutputTokens, result.Attempts) = (3, 4, 2);
            result.AnsweredAt = _clock.GetTimestamp();
            _clock.Advance(TimeSpan.FromSeconds(5));
            c.Features.Set(new ModelSelection(OperationTable.Find("/api/chat", out _)!, RequestBodyFeature.None) { Key = "a:latest" });
            return Task.CompletedTask;
        });

        var record = Assert.Single(_ledger.Records);
        Assert.Equal(
            ("team", "chat", "a:latest", 3L, 4L, 2, "succeeded", 200, 5.0, 0.0),
            (record.Tenant, record.Operation, record.Model, record.InputTokens, record.OutputTokens, record.Attempts, record.Outcome, record.Status, record.TotalSeconds, record.FirstByteSeconds));
        Assert.Equal(0, _stop.Running);
    }

    [Fact]
    public async Task Invoke_ModelNotInFleet_RecordedAsOther()
    {
        await _stage.InvokeAsync(StageContext.Create(), c =>
        {
            c.Features.Set(new ModelSelection(OperationTable.Find("/api/chat", out _)!, RequestBodyFeature.None) { Key = "secret:latest" });
            return Task.CompletedTask;
        });
        Assert.Equal("other", Assert.Single(_ledger.Records).Model);
    }

    [Fact]
    public async Task Invoke_LaterStageThrows_500RecordedOnce()
    {
        var context = StageContext.Create("/v1/chat/completions");
        await _stage.InvokeAsync(context, _ => throw new InvalidOperationException("bug"));
        var record = Assert.Single(_ledger.Records);
        Assert.Equal(("failed", 500), (record.Outcome, record.Status));
        Assert.Contains("the bridge failed", StageContext.Sent(context), StringComparison.Ordinal);
        Assert.DoesNotContain("bug", StageContext.Sent(context), StringComparison.Ordinal);
        Assert.Equal(0, _stop.Running);
    }

    [Fact]
    public async Task Invoke_LaterStageThrowsAfterStart_ConnectionAborted()
    {
        var context = StageContext.Create();
        var lifetime = new Lifetime();
        context.Features.Set<IHttpRequestLifetimeFeature>(lifetime);
        var client = context.Response.Body;
        using var response = RestartableResponse.For(context);
        await _stage.InvokeAsync(context, async c =>
        {
            await c.Response.Body.WriteAsync("part"u8.ToArray());
            throw new InvalidOperationException();
        });
        Assert.True(lifetime.IsAborted);
        Assert.Equal("failed", Assert.Single(_ledger.Records).Outcome);
        Assert.Equal("part".Length, client.Length);
    }

    [Fact]
    public async Task Invoke_ClientGone_RecordedAsCancelledWith499()
    {
        using var gone = new CancellationTokenSource();
        var context = StageContext.Create();
        context.RequestAborted = gone.Token;
        await _stage.InvokeAsync(context, _ =>
        {
            gone.Cancel();
            throw new OperationCanceledException(gone.Token);
        });
        var record = Assert.Single(_ledger.Records);
        Assert.Equal(("cancelled", 499), (record.Outcome, record.Status));
    }

    [Fact]
    public async Task Invoke_CancelledWithoutClientGone_500()
    {
        var context = StageContext.Create();
        await _stage.InvokeAsync(context, _ => throw new OperationCanceledException());
        Assert.Equal(("failed", 500), (Assert.Single(_ledger.Records).Outcome, context.Response.StatusCode));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Invoke_ConnectionBreaks_RecordedAsCancelled(bool isBadRequest)
    {
        await _stage.InvokeAsync(StageContext.Create(), _ => throw (isBadRequest ? new BadHttpRequestException("x") : new IOException("x")));
        Assert.Equal("cancelled", Assert.Single(_ledger.Records).Outcome);
    }

    [Fact]
    public async Task Invoke_UnknownRoute_NotRecorded()
    {
        await _stage.InvokeAsync(StageContext.Bare("/nothing"), c =>
        {
            c.Response.StatusCode = 404;
            return Task.CompletedTask;
        });
        Assert.Empty(_ledger.Records);
        Assert.Equal(0, _stop.Running);
    }

    [Theory]
    [InlineData(200, 5 + 4)] // the estimate counts if the response reports no prompt tokens
    [InlineData(400, 0)]
    public async Task Invoke_QuotaReserved_SettledWithUsedTokens(int status, long used)
    {
        var lease = new RecordingLease();
        await _stage.InvokeAsync(StageContext.Create(), c =>
        {
            c.Features.Set(new QuotaReservation { Lease = lease, PromptEstimate = 5 });
            var result = c.Features.Get<RequestResult>()!;
            (result.Attempts, result.OutputTokens) = (1, 4);
            c.Response.StatusCode = status;
            return Task.CompletedTask;
        });
        Assert.Equal([used], lease.Returned);
    }

    [Fact]
    public async Task Invoke_ForwardedCallEnds_ChargeRefundedAndInterruptionsRecorded()
    {
        var call = TestCalls.Create();
        var counters = new VirtualCounters();
        var counter = counters.Admit("team", cost: 7, perAnswerToken: 2, out var expected);
        call.Wait.Charge = new TokenCharge(counters, counter, new TokenPrices(1, 2), 1, 7, expected);
        call.Response.Interruptions = [Interruption.ErrorTold];
        await _stage.InvokeAsync(StageContext.Create(), c =>
        {
            c.Features.Set(call);
            return Task.CompletedTask;
        });
        Assert.Equal((0, 0), (counter.Value, counter.Running));
        Assert.Equal(["errortold"], Assert.Single(_ledger.Records).Interruptions!);
    }

    private sealed class RecordingLease() : QuotaLease(default, default)
    {
        public List<long> Returned { get; } = [];

        protected override void Return(long tokens) => Returned.Add(tokens);
    }

    private sealed class Lifetime : IHttpRequestLifetimeFeature
    {
        public bool IsAborted { get; private set; }

        public CancellationToken RequestAborted { get; set; }

        public void Abort() => IsAborted = true;
    }
}
