using OllamaBridge.Gateway.Quotas;

namespace OllamaBridge.Gateway.Tests.Quotas;

public class VirtualCountersTests
{
    private readonly VirtualCounters _counters = new();

    [Fact]
    public void Join_AfterIdle_LiftedToLowestWaiting()
    {
        Pay("a", 100);
        Pay("b", 70);
        _counters.Join("a");
        _counters.Join("b");
        _counters.Serve(_counters.Join("a"), 400, 0);
        var late = _counters.Join("late");
        Assert.Equal(_counters.ValueOf("b"), late.Value);
    }

    [Fact]
    public void Join_NoTenantWaits_LiftedToLastServed()
    {
        Pay("a", 100);
        Assert.Equal(100, _counters.Join("b").Value);
    }

    [Fact]
    public void Join_LastServedSettledMeanwhile_LiftedToSettledValue()
    {
        var a = _counters.Admit("a", 10, 0, out _);
        _counters.Settle(a, 50, null);
        Assert.Equal(60, _counters.Join("b").Value);
    }

    [Fact]
    public void Join_InDebt_NotForgiven()
    {
        var a = _counters.Admit("a", 1000, 0, out _);
        _counters.Settle(a, 0, null);
        var b = _counters.Join("b");
        _counters.Serve(b, 1, 0);
        Assert.Equal(1000, a.Value);
        Assert.Equal(1001, b.Value);
    }

    [Fact]
    public void Join_AlreadyWaiting_NotLifted()
    {
        var a = _counters.Join("a");
        Pay("b", 500);
        Assert.Same(a, _counters.Join("a"));
        Assert.Equal(0, a.Value);
    }

    [Fact]
    public void Admit_ReturningTenant_GainsNoCredit()
    {
        for (var n = 0; n < 1000; n++)
            Pay("heavy", 10);
        Assert.Equal(10_010, Pay("light", 10).Value);
    }

    [Fact]
    public void Admit_ManyTenants_BoundedMemory()
    {
        for (var n = 0; n < 100_000; n++)
            Pay($"t{n}", 1);
        Assert.InRange(_counters.Count, 1, VirtualCounters.Few + 1);
    }

    [Fact]
    public void Admit_ManyIndebtedTenants_BoundedMemory()
    {
        // One tenant waits without any service, so all other tenants stay above the floor.
        _counters.Join("waiting");
        for (var n = 0; n < 20_000; n++)
            Pay($"t{n}", 1);
        Assert.InRange(_counters.Count, 1, VirtualCounters.Most + 1);
        Assert.Equal(0, _counters.ValueOf("waiting"));
    }

    [Fact]
    public void Prune_WaitingAndRunning_Kept()
    {
        var running = _counters.Admit("running", 1, 0, out _);
        _counters.Join("waiting");
        for (var n = 0; n < 20_000; n++)
            Pay($"t{n}", 1);
        _counters.Settle(running, 5, null);
        Assert.Equal(6, _counters.ValueOf("running"));
        Assert.NotNull(_counters.ValueOf("waiting"));
    }

    [Theory]
    [InlineData(true, 120, 30, 180)] // 120 + 2*30
    [InlineData(true, 0, 30, 160)] // the response has no prompt count: the estimate of 100 stands
    [InlineData(true, 40, 0, 40)]
    [InlineData(false, 0, 0, 0)] // no response: the charge is returned
    public void Settle_EstimateOf100_CorrectedToActualCost(bool answered, long input, long output, double expected)
    {
        var prices = new TokenPrices(1, 2);
        const double Weight = 4;
        _counters.Settle(_counters.Admit("b", 0, 0, out _), 0, 70); // the expected response length of a new tenant
        var counter = _counters.Admit("a", TokenCharge.Cost(100, prices, Weight), prices.Output / Weight, out var tokens);
        Assert.Equal((70, (100 + 140) / Weight), (tokens, counter.Value));
        new TokenCharge(_counters, counter, prices, Weight, 100, tokens).Settle(answered, input, output);
        Assert.Equal(expected / Weight, counter.Value, 9);
        Assert.Equal(0, counter.Running);
    }

    [Fact]
    public void Serve_KnownTenant_ExpectsItsOwnMean()
    {
        for (var n = 0; n < 200; n++)
        {
            _counters.Settle(_counters.Admit("brief", 0, 0, out _), 0, n % 2 == 0 ? 9 : 11);
            _counters.Settle(_counters.Admit("long", 0, 0, out _), 0, 1000);
        }

        Assert.InRange(_counters.Serve(_counters.Join("brief"), 0, 0), 9.8, 10.2);
        Assert.Equal(1000, _counters.Serve(_counters.Join("long"), 0, 0));
        var failed = _counters.Join("brief");
        _counters.Serve(failed, 0, 0);
        _counters.Settle(failed, 0, answerTokens: null); // a request without a response does not change the mean
        Assert.InRange(_counters.Serve(_counters.Join("brief"), 0, 0), 9.8, 10.2);
    }

    private TenantCounter Pay(string tenant, double cost)
    {
        var counter = _counters.Admit(tenant, cost, 0, out _);
        _counters.Settle(counter, 0, null);
        return counter;
    }
}
