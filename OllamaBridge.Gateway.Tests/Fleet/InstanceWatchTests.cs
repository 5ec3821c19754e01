using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Fleet;

public class InstanceWatchTests
{
    private static readonly HealthOptions Options = new()
    {
        FailuresToEject = 3,
        EjectionTime = TimeSpan.FromSeconds(5),
        MaxEjectionTime = TimeSpan.FromSeconds(30),
    };

    private readonly InstanceWatch _watch = new(new Instance(new InstanceDefinition("i", new Uri("http://i"), 1, 0)));
    private Moment _now = new(TimeSpan.FromDays(1));
    private long _asked;

    [Fact]
    public void Apply_FirstSuccess_Healthy()
    {
        Assert.Equal(InstanceStatus.Unknown, _watch.Status);
        Assert.True(Answer("a"));
        Assert.Equal(InstanceStatus.Healthy, _watch.Status);
        Assert.Equal("a:latest", Assert.Single(_watch.ToView().Catalog).Key);
        Assert.Equal(_now + Options.Interval, _watch.NextProbe);
        Assert.Equal(_now + Options.CatalogInterval, _watch.NextCatalog);
    }

    [Fact]
    public void Apply_SuccessWithoutCatalog_NotHealthyUntilKnown()
    {
        Assert.False(Answer(models: null));
        Assert.Equal(InstanceStatus.Unknown, _watch.Status);
        Assert.False(_watch.ToView().CatalogKnown);
    }

    [Fact]
    public void Apply_Refused_UnhealthyImmediately()
    {
        Answer("a");
        Assert.True(Fail(refused: true));
        Assert.Equal(InstanceStatus.Unhealthy, _watch.Status);
        Assert.Equal("boom", _watch.ToView().LastError);
        Assert.Equal(_now + Options.RecoveryInterval, _watch.NextProbe);
        Assert.Equal(_now, _watch.NextCatalog);
        Assert.Single(_watch.ToView().Catalog); // its known catalog is kept
    }

    [Fact]
    public void Apply_Timeouts_UnhealthyOnlyIfConsecutive()
    {
        Answer("a");
        Assert.False(Fail());
        Assert.False(Fail());
        Assert.False(Answer("a")); // the row of failures ends
        Assert.False(Fail());
        Assert.False(Fail());
        Assert.Equal(InstanceStatus.Healthy, _watch.Status);
        Assert.True(Fail());
        Assert.Equal(InstanceStatus.Unhealthy, _watch.Status);
    }

    [Fact]
    public void Apply_TimeoutsBeforeFirstSuccess_UnknownThenUnhealthy()
    {
        Assert.False(Fail());
        Assert.False(Fail());
        Assert.Equal(InstanceStatus.Unknown, _watch.Status);
        Assert.True(Fail());
        Assert.Equal(InstanceStatus.Unhealthy, _watch.Status);
    }

    [Fact]
    public void Apply_SuccessAfterUnhealthy_HealthyAndErrorCleared()
    {
        Answer("a");
        Fail(refused: true);
        Assert.True(Answer("a b"));
        Assert.Equal(InstanceStatus.Healthy, _watch.Status);
        Assert.Null(_watch.ToView().LastError);
        Assert.Equal(2, _watch.ToView().Catalog.Length);
    }

    [Fact]
    public void Apply_OlderProbeAfterNewer_Ignored()
    {
        Answer("a", asked: 10);
        Assert.False(Fail(refused: true, asked: 9));
        Assert.Equal(InstanceStatus.Healthy, _watch.Status);
        Assert.False(Answer("b", asked: 8));
        Assert.Equal("a:latest", Assert.Single(_watch.ToView().Catalog).Key);
    }

    [Fact]
    public void Apply_OlderProbeWithNewestCatalog_CatalogApplied()
    {
        Answer("a", asked: 1);
        Answer(models: null, asked: 10);
        Answer("a b", asked: 9); // this probe requested the list before a later probe without the list completed
        Assert.Equal(2, _watch.ToView().Catalog.Length);
        Answer("a", asked: 5);
        Assert.Equal(2, _watch.ToView().Catalog.Length);
    }

    [Fact]
    public void Eject_FailedRequests_EjectedDespiteSuccessfulProbes()
    {
        Answer("a");
        Assert.True(_watch.Eject(InstanceFailure.ServerError, Options, _now));
        Assert.Equal(InstanceStatus.Ejected, _watch.Status);
        Pass(4.9);
        Assert.False(Answer("a"));
        Assert.Equal(InstanceStatus.Ejected, _watch.Status);
        Pass(0.1);
        Assert.True(Answer("a"));
        Assert.Equal(InstanceStatus.Healthy, _watch.Status);
    }

    [Fact]
    public void Eject_Repeatedly_DoublesUpToLimit()
    {
        double[] expected = [5, 10, 20, 30, 30];
        foreach (var seconds in expected)
            Assert.Equal(seconds, EjectAndMeasure());
    }

    [Fact]
    public void Eject_ThousandTimes_NoOverflow()
    {
        for (var i = 0; i < 1000; i++)
            Assert.InRange(EjectAndMeasure(), 5, 30);
    }

    [Fact]
    public void Praise_AfterEjections_NextEjectionIsShort()
    {
        EjectAndMeasure();
        EjectAndMeasure();
        _watch.ResetEjectionTime();
        Assert.Equal(5, EjectAndMeasure());
    }

    [Fact]
    public void Eject_Refused_UnhealthyAndProbedImmediately()
    {
        Answer("a");
        Assert.True(_watch.Eject(InstanceFailure.Refused, Options, _now));
        Assert.Equal(InstanceStatus.Unhealthy, _watch.Status);
        Assert.Equal(_now, _watch.NextProbe);
        Assert.True(Answer("a")); // healthy immediately, because it was not ejected
        Assert.Equal(InstanceStatus.Healthy, _watch.Status);
    }

    [Fact]
    public void Eject_NotHealthy_NoEffect()
    {
        Assert.False(_watch.Eject(InstanceFailure.Broken, Options, _now));
        Answer("a");
        _watch.Eject(InstanceFailure.Broken, Options, _now);
        Assert.False(_watch.Eject(InstanceFailure.Broken, Options, _now));
        Assert.False(_watch.Eject(InstanceFailure.Refused, Options, _now));
    }

    [Fact]
    public void Apply_FailedProbeWhileEjected_EjectionNotShortened()
    {
        Answer("a");
        _watch.Eject(InstanceFailure.TimedOut, Options, _now);
        Pass(1);
        Fail();
        Pass(1);
        Answer("a");
        Assert.NotEqual(InstanceStatus.Healthy, _watch.Status);
        Pass(3);
        Answer("a");
        Assert.Equal(InstanceStatus.Healthy, _watch.Status);
    }

    [Fact]
    public void Apply_RestartedWhileEjected_HealthyImmediately()
    {
        Answer("a");
        _watch.Eject(InstanceFailure.Broken, Options, _now);
        Fail(refused: true);
        Pass(1);
        Assert.True(Answer("a")); // a restarted process starts without the ejection of the previous one
        Assert.Equal(InstanceStatus.Healthy, _watch.Status);
    }

    [Fact]
    public void NextLook_Ejected_NotAfterEjectionEnds()
    {
        Answer("a");
        _watch.Eject(InstanceFailure.Broken, Options with { EjectionTime = TimeSpan.FromSeconds(1) }, _now);
        Assert.Equal(_now + TimeSpan.FromSeconds(1), _watch.NextProbe);
    }

    [Fact]
    public void LookNow_Always_HealthAndCatalogDue()
    {
        Answer("a");
        Pass(0.5);
        _watch.ProbeNow(_now);
        Assert.Equal((_now, _now), (_watch.NextProbe, _watch.NextCatalog));
    }

    private double EjectAndMeasure()
    {
        Answer("a");
        _watch.Eject(InstanceFailure.Broken, Options, _now);
        var seconds = 0;
        while (_watch.Status == InstanceStatus.Ejected)
        {
            Pass(1);
            seconds++;
            Answer("a");
        }

        return seconds;
    }

    private void Pass(double seconds) => _now += TimeSpan.FromSeconds(seconds);

    private bool Answer(string? models, long? asked = null) => _watch.Apply(
        new ProbeResult(_watch.Instance, asked ?? ++_asked, null, false, "0.1", [], models is null ? default : FleetBuilder.Catalog(models)), Options, _now);

    private bool Fail(bool refused = false, long? asked = null) =>
        _watch.Apply(new ProbeResult(_watch.Instance, asked ?? ++_asked, "boom", refused, null, [], default), Options, _now);
}
