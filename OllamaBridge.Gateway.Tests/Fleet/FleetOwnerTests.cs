using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Fleet;

public sealed class FleetOwnerTests : IAsyncLifetime
{
    // Only a failed test reaches this time.
    private static readonly TimeSpan Guard = TestTimeouts.Guard;
    private static readonly HealthOptions Health = new() { RequestFailuresToEject = 3, FailuresToEject = 2 };
    private readonly ObservedTime _clock = new();
    private readonly FakeServers _servers = new();
    private readonly FakeSource _source = new("i", "j");
    private readonly FleetOwner _owner;

    public FleetOwnerTests() => _owner = new FleetOwner(
        new InstanceProbe(new HttpMessageInvoker(_servers), _clock), _source, Options.Create(Health), _clock, NullLogger<FleetOwner>.Instance);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _owner.StopAsync(CancellationToken.None);
        _owner.Dispose();
        _servers.Dispose();
    }

    [Fact]
    public async Task Starting_SomeInstancesRespond_SnapshotBeforeFirstRequest()
    {
        _servers["j"].Refuses = true;
        await _owner.StartingAsync(Cancelled);
        Assert.Equal([InstanceStatus.Healthy, InstanceStatus.Unhealthy], _owner.Current.Instances.Select(v => v.Status));
        Assert.Equal(["a:latest"], _owner.Current.Models.Keys);
    }

    [Fact]
    public async Task SetDraining_RemovedInstance_OnlyUndrainAccepted()
    {
        await StartAsync();
        Assert.True(await _owner.SetDrainingAsync("j", draining: true, Cancelled));
        _source.Change(FakeSource.Definition("i"));
        await UntilAsync(s => s.Instances.Length == 1);

        Assert.False(await _owner.SetDrainingAsync("never-there", draining: false, Cancelled));
        Assert.False(await _owner.SetDrainingAsync("j", draining: true, Cancelled));
        Assert.True(await _owner.SetDrainingAsync("J", draining: false, Cancelled));
        Assert.False(await _owner.SetDrainingAsync("j", draining: false, Cancelled));
        _source.Change(FakeSource.Definition("i"), FakeSource.Definition("j"));
        await UntilAsync(s => s.Instances.Length == 2);
        Assert.False(View(_owner.Current, "j").Draining);
    }

    [Fact]
    public async Task Poll_ChangedMemoryAndDisk_InNextSnapshots()
    {
        await StartAsync();
        _servers["i"].Loaded = "a";
        _servers["i"].Models = "a b";
        _clock.Advance(Health.Interval);
        await UntilAsync(s => View(s, "i").Loaded.Length == 1);
        Assert.DoesNotContain("b:latest", _owner.Current.Models.Keys); // model lists are probed less often
        _clock.Advance(Health.CatalogInterval);
        await UntilAsync(s => s.Models.ContainsKey("b:latest"));
        Assert.Equal(1, _owner.Current.Models["a:latest"].State.Copies);
    }

    [Fact]
    public async Task Poll_Refused_UnhealthyThenBack()
    {
        await StartAsync();
        _servers["i"].Refuses = true;
        _clock.Advance(Health.Interval);
        await UntilAsync(s => View(s, "i").Status == InstanceStatus.Unhealthy);
        Assert.Equal(InstanceStatus.Healthy, View(_owner.Current, "j").Status);
        Assert.Contains("refused", View(_owner.Current, "i").LastError, StringComparison.OrdinalIgnoreCase);
        _servers["i"].Refuses = false;
        _servers["i"].Models = "c";
        _clock.Advance(Health.RecoveryInterval);
        await UntilAsync(s => View(s, "i").Status == InstanceStatus.Healthy);
        Assert.Contains("c:latest", _owner.Current.Models.Keys);
    }

    [Fact]
    public async Task Poll_Hangs_UnhealthyAfterTwoTimeOuts()
    {
        await StartAsync();
        _source.Change(FakeSource.Definition("i"));
        await UntilAsync(s => s.Instances.Length == 1);
        _servers["i"].Forget();
        _servers["i"].Hangs = true;
        _clock.Advance(Health.Interval);
        await _servers["i"].AskedAsync("/api/version", Cancelled).WaitAsync(Guard, Cancelled);
        var version = _owner.Current.Version;
        _clock.Advance(Health.Timeout);
        await UntilAsync(s => s.Version > version);
        _clock.Advance(Health.Interval);
        await _servers["i"].AskedAsync("/api/version", Cancelled).WaitAsync(Guard, Cancelled);
        Assert.Equal(InstanceStatus.Healthy, View(_owner.Current, "i").Status);
        _clock.Advance(Health.Timeout);
        await UntilAsync(s => View(s, "i").Status == InstanceStatus.Unhealthy);
        Assert.Equal("no answer within 3 s", View(_owner.Current, "i").LastError);
    }

    [Fact]
    public async Task Poll_RunningModelsDelayed_HealthyWithLastKnownState()
    {
        _servers["i"].Loaded = "a";
        await StartAsync();
        _servers["i"].Loaded = "";
        _servers["i"].HoldsRunning = true;
        _servers["i"].Models = "a b";

        await UntilAsync(s => s.Models.ContainsKey("b:latest"));
        for (var i = 0; i < 3; i++)
        {
            var version = _owner.Current.Version;
            await UntilAsync(s => s.Version > version);
            var view = View(_owner.Current, "i");
            Assert.Equal((InstanceStatus.Healthy, "a:latest"), (view.Status, Assert.Single(view.Loaded).Key));
            Assert.Contains(view.Remarks, r => r.Contains("/api/ps does not respond", StringComparison.Ordinal));
        }

        _servers["i"].HoldsRunning = false;
        await UntilAsync(s => View(s, "i") is { Loaded.IsEmpty: true, Remarks.IsEmpty: true });
    }

    [Fact]
    public async Task Starting_SlowModelList_ProbedMeanwhileAndAppliedOnArrival()
    {
        var held = new TaskCompletionSource();
        _servers["i"].TagsHeld = held.Task;
        var starting = _owner.StartingAsync(Cancelled);
        await _servers["i"].AskedAsync("/api/tags", Cancelled).WaitAsync(Guard, Cancelled);
        // A second request gets no response, so only the first list can arrive.
        _servers["i"].TagsHeld = new TaskCompletionSource().Task;
        // The probe of the other instance has ended; the list and the probe of this one still wait.
        await _clock.TimersBecomeAsync(timers => timers.Count == 2);
        _clock.Advance(Health.Timeout);
        await starting.WaitAsync(Guard, Cancelled);
        await _owner.StartAsync(Cancelled);
        Assert.Equal([InstanceStatus.Unknown, InstanceStatus.Healthy], _owner.Current.Instances.Select(v => v.Status));
        Assert.Contains("list of models has not arrived yet", View(_owner.Current, "i").LastError, StringComparison.Ordinal);

        held.SetResult();
        await UntilAsync(s => View(s, "i").Status == InstanceStatus.Healthy);
        Assert.Equal(2, _owner.Current.Models["a:latest"].Usable.Length);
        Assert.Null(View(_owner.Current, "i").LastError);
    }

    [Fact]
    public async Task Poll_ModelListFailsLater_PreviousListKeptAndReported()
    {
        await StartAsync();
        var held = new TaskCompletionSource();
        _servers["i"].TagsHeld = held.Task;
        held.SetException(new HttpRequestException("cut"));
        _clock.Advance(Health.CatalogInterval);
        await UntilAsync(s => !View(s, "i").Remarks.IsEmpty);
        Assert.Equal(InstanceStatus.Healthy, View(_owner.Current, "i").Status);
        Assert.Contains("cut", View(_owner.Current, "i").Remarks[0], StringComparison.Ordinal);
        Assert.Equal(2, _owner.Current.Models["a:latest"].Usable.Length);
        _servers["i"].TagsHeld = null;
        _clock.Advance(Health.CatalogInterval);
        await UntilAsync(s => View(s, "i").Remarks.IsEmpty);
    }

    [Fact]
    public async Task Publish_TwoDigestsOfOneName_NewestServed()
    {
        _servers["i"].Digest = "aaaaaaaaaaaa";
        _servers["j"].Digest = "bbbbbbbbbbbb";
        await StartAsync();
        Assert.Single(_owner.Current.Models["a:latest"].Usable);
        Assert.Equal("j", Assert.Single(_owner.Current.Mismatches).Instance.Name);
        _servers["j"].Digest = "aaaaaaaaaaaa";
        _clock.Advance(Health.CatalogInterval);
        await UntilAsync(s => s.Mismatches.IsEmpty);
        Assert.Equal(2, _owner.Current.Models["a:latest"].Usable.Length);
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{")]
    [InlineData("""{"models":[5]}""")]
    [InlineData("""{"models":[{"name":5}]}""")]
    [InlineData("""{"version":5}""")]
    [InlineData("")]
    public async Task Poll_InvalidResponse_ProbeFails(string body)
    {
        _servers["i"].Body = body;
        await _owner.StartingAsync(Cancelled);
        Assert.NotNull(View(_owner.Current, "i").LastError);
        Assert.Equal(InstanceStatus.Unknown, View(_owner.Current, "i").Status);
    }

    [Theory]
    [InlineData(500)]
    [InlineData(403)]
    [InlineData(301)]
    public async Task Poll_ErrorStatus_ProbeFails(int status)
    {
        _servers["i"].Status = status;
        await _owner.StartingAsync(Cancelled);
        Assert.Equal($"/api/version responded with {status}", View(_owner.Current, "i").LastError);
    }

    [Fact]
    public async Task ReportFailure_ThreeInARow_EjectedThenBack()
    {
        await StartAsync();
        var instance = View(_owner.Current, "i").Instance;
        for (var n = 0; n < 3; n++)
            _owner.ReportFailure(instance, InstanceFailure.ServerError);
        await UntilAsync(s => View(s, "i").Status == InstanceStatus.Ejected);
        _clock.Advance(Health.EjectionTime);
        await UntilAsync(s => View(s, "i").Status == InstanceStatus.Healthy);
    }

    [Fact]
    public async Task ReportFailure_SuccessBetween_NotEjected()
    {
        await StartAsync();
        var instance = View(_owner.Current, "i").Instance;
        for (var n = 0; n < 10; n++)
        {
            _owner.ReportFailure(instance, InstanceFailure.ServerError);
            _owner.ReportFailure(instance, InstanceFailure.Broken);
            _owner.ReportSuccess(instance);
        }

        await _owner.SetDrainingAsync("j", true, Cancelled); // all earlier events have been processed by then
        Assert.Equal(InstanceStatus.Healthy, View(_owner.Current, "i").Status);
    }

    [Fact]
    public async Task ReportFailure_Refused_UnhealthyAndProbedImmediately()
    {
        await StartAsync();
        var seen = new List<InstanceStatus>();
        _owner.Changed += () => seen.Add(View(_owner.Current, "i").Status);
        _owner.ReportFailure(View(_owner.Current, "i").Instance, InstanceFailure.Refused);
        await UntilAsync(s => View(s, "i").Status == InstanceStatus.Healthy && seen.Contains(InstanceStatus.Unhealthy));
        Assert.Equal(InstanceStatus.Unhealthy, seen[0]); // the server responds, so it recovers without a delay
    }

    [Fact]
    public async Task ReportFailure_StaleCatalog_CatalogReadImmediately()
    {
        await StartAsync();
        _servers["i"].Models = "b";
        _owner.ReportFailure(View(_owner.Current, "i").Instance, InstanceFailure.StaleCatalog);
        await UntilAsync(s => s.Models.ContainsKey("b:latest"));
        Assert.Equal(InstanceStatus.Healthy, View(_owner.Current, "i").Status);
    }

    [Fact]
    public async Task SetDraining_OnAndOff_InSnapshotOnReturn()
    {
        await StartAsync();
        Assert.True(await _owner.SetDrainingAsync("I", true, Cancelled));
        Assert.True(View(_owner.Current, "i").Draining);
        Assert.False(View(_owner.Current, "i").IsUsable);
        _source.Change(FakeSource.Definition("i", slots: 5), FakeSource.Definition("j"));
        await UntilAsync(s => View(s, "i").Instance.Slots == 5);
        Assert.True(View(_owner.Current, "i").Draining);
        Assert.True(await _owner.SetDrainingAsync("i", false, Cancelled));
        Assert.True(View(_owner.Current, "i").IsUsable);
        Assert.False(await _owner.SetDrainingAsync("nobody", true, Cancelled));
    }

    [Fact]
    public async Task DrainUntil_RepeatedAndUndrained_NewestDirectiveWins()
    {
        await StartAsync();
        var deadline = DateTimeOffset.FromUnixTimeMilliseconds(_clock.GetUtcNow().AddSeconds(30).ToUnixTimeMilliseconds());
        Assert.True(await _owner.DrainUntilAsync("I", deadline, Cancelled));
        Assert.True(View(_owner.Current, "i").Draining);
        Assert.Equal(deadline, View(_owner.Current, "i").DrainDeadline);
        Assert.True(await _owner.DrainUntilAsync("i", deadline.AddSeconds(5), Cancelled));
        Assert.Equal(deadline.AddSeconds(5), View(_owner.Current, "i").DrainDeadline);
        Assert.True(await _owner.SetDrainingAsync("i", true, Cancelled));
        Assert.True(View(_owner.Current, "i").Draining);
        Assert.Null(View(_owner.Current, "i").DrainDeadline);
        Assert.True(await _owner.DrainUntilAsync("i", deadline, Cancelled));
        Assert.True(await _owner.SetDrainingAsync("i", false, Cancelled));
        Assert.True(View(_owner.Current, "i").IsUsable);
        Assert.Null(View(_owner.Current, "i").DrainDeadline);
        Assert.False(await _owner.DrainUntilAsync("nobody", deadline, Cancelled));
    }

    [Fact]
    public async Task Add_NewInstance_InSnapshotAndProbed()
    {
        await StartAsync();
        _servers["k"].Models = "new";
        Assert.Equal(MemberChange.Added, await _owner.AddAsync(FakeSource.Definition("k", 3), Cancelled));
        Assert.Equal((3, false), (View(_owner.Current, "k").Instance.Slots, View(_owner.Current, "k").IsConfigured));
        Assert.Contains("new:latest", _owner.Current.Models.Keys);
        Assert.Equal(MemberChange.Changed, await _owner.AddAsync(FakeSource.Definition("k", 5), Cancelled));
        Assert.Equal((5, InstanceStatus.Healthy), (View(_owner.Current, "k").Instance.Slots, View(_owner.Current, "k").Status));
        _source.Change(FakeSource.Definition("j"));
        await UntilAsync(s => s.Instances.Length == 2);
        Assert.Equal([true, false], _owner.Current.Instances.Select(v => v.IsConfigured));
    }

    [Fact]
    public async Task Add_UnreachableInstance_Added()
    {
        await StartAsync();
        _servers["k"].Refuses = true;
        Assert.Equal(MemberChange.Added, await _owner.AddAsync(FakeSource.Definition("k"), Cancelled).WaitAsync(Guard, Cancelled));
        Assert.Equal(InstanceStatus.Unhealthy, View(_owner.Current, "k").Status);
        _servers["l"].Hangs = true;
        var added = _owner.AddAsync(FakeSource.Definition("l"), Cancelled);
        await _servers["l"].AskedAsync("/api/version", Cancelled).WaitAsync(Guard, Cancelled);
        Assert.False(added.IsCompleted);
        Assert.Equal(MemberChange.Removed, await _owner.RemoveAsync("l", Cancelled));
        await added.WaitAsync(Guard, Cancelled); // a removed instance is not waited for
    }

    [Fact]
    public async Task Remove_WithRunningRequest_RemovedImmediatelyAndSlotStillCounted()
    {
        await StartAsync();
        await _owner.AddAsync(FakeSource.Definition("k"), Cancelled);
        var instance = View(_owner.Current, "k").Instance;
        Assert.True(instance.TryTakeSlot());
        Assert.Equal(MemberChange.Removed, await _owner.RemoveAsync("K", Cancelled));
        Assert.Equal(["i", "j"], _owner.Current.Instances.Select(v => v.Instance.Name));
        Assert.Equal(1, instance.SlotsUsed);
        Assert.Equal(MemberChange.NotFound, await _owner.RemoveAsync("k", Cancelled));
        Assert.Equal(MemberChange.Configured, await _owner.RemoveAsync("I", Cancelled));
    }

    [Fact]
    public async Task Add_DrainedThenRemoved_UsableAgain()
    {
        await StartAsync();
        await _owner.AddAsync(FakeSource.Definition("k"), Cancelled);
        await _owner.SetDrainingAsync("k", true, Cancelled);
        await _owner.AddAsync(FakeSource.Definition("k", 2), Cancelled);
        Assert.True(View(_owner.Current, "k").Draining); // more slots don't end a drain
        await _owner.RemoveAsync("k", Cancelled);
        await _owner.AddAsync(FakeSource.Definition("k"), Cancelled);
        Assert.False(View(_owner.Current, "k").Draining);
    }

    [Fact]
    public async Task Change_ConfigurationTakesMembersName_MemberSuspendedUntilFree()
    {
        await StartAsync();
        await _owner.AddAsync(FakeSource.Definition("k", 3), Cancelled);
        _source.Change(FakeSource.Definition("K"));
        await UntilAsync(s => s.Instances.Length == 1);
        Assert.Equal(("K", 1), (_owner.Current.Instances[0].Instance.Name, _owner.Current.Instances[0].Instance.Slots));
        Assert.Equal(MemberChange.Configured, await _owner.RemoveAsync("k", Cancelled));
        _source.Change(FakeSource.Definition("i"));
        await UntilAsync(s => s.Instances.Length == 2 && s.Instances[1].Instance.Slots == 3);
    }

    [Fact]
    public async Task Change_OneAddedOneRemoved_OthersKeepState()
    {
        await StartAsync();
        var kept = View(_owner.Current, "j").Instance;
        Assert.True(kept.TryTakeSlot());
        _servers["k"].Models = "new";
        _source.Change(FakeSource.Definition("j"), FakeSource.Definition("k"));
        await UntilAsync(s => s.Models.ContainsKey("new:latest"));
        Assert.Equal(["j", "k"], _owner.Current.Instances.Select(v => v.Instance.Name));
        Assert.Same(kept, View(_owner.Current, "j").Instance);
        Assert.Equal(1, kept.SlotsUsed);
    }

    [Fact]
    public async Task Change_SameNameOtherAddress_NewInstance()
    {
        await StartAsync();
        var before = View(_owner.Current, "i").Instance;
        _source.Change(FakeSource.Definition("i") with { Url = new Uri("http://elsewhere") }, FakeSource.Definition("j"));
        await UntilAsync(s => View(s, "i").Status == InstanceStatus.Healthy && View(s, "i").Instance != before);
        _owner.ReportFailure(before, InstanceFailure.Refused); // a failure of the removed instance does not count against the new one
        await _owner.SetDrainingAsync("j", true, Cancelled);
        Assert.Equal(InstanceStatus.Healthy, View(_owner.Current, "i").Status);
    }

    [Fact]
    public async Task RefreshCatalog_ProbeAlreadyRunning_WaitsForNewProbe()
    {
        await StartAsync();
        _servers["i"].Forget();
        var gate = new TaskCompletionSource();
        _servers["i"].TagsHeld = gate.Task;
        _clock.Advance(Health.CatalogInterval);
        await _servers["i"].AskedAsync("/api/tags", Cancelled).WaitAsync(Guard, Cancelled); // this list does not contain b yet
        _clock.Advance(TimeSpan.FromMilliseconds(1));

        var newer = new TaskCompletionSource();
        _servers["i"].TagsHeld = newer.Task;
        _servers["i"].Models = "a b";
        var refresh = _owner.RefreshCatalogAsync(Cancelled);
        await _servers["i"].AskedAsync("/api/tags", Cancelled).WaitAsync(Guard, Cancelled);
        gate.SetResult();
        await _owner.SetDrainingAsync("j", true, Cancelled);
        Assert.False(refresh.IsCompleted);
        newer.SetResult();
        await refresh.WaitAsync(Guard, Cancelled);
        Assert.Contains("b:latest", _owner.Current.Models.Keys);
    }

    [Fact]
    public async Task RefreshCatalog_NoResponse_EndsAfterTimeout()
    {
        await StartAsync();
        _servers["i"].Forget();
        _servers["i"].Hangs = true;
        var refresh = _owner.RefreshCatalogAsync(Cancelled);
        await _servers["i"].AskedAsync("/api/version", Cancelled).WaitAsync(Guard, Cancelled);
        Assert.False(refresh.IsCompleted);
        _clock.Advance(Health.Timeout);
        await refresh.WaitAsync(Guard, Cancelled);
    }

    [Fact]
    public async Task RefreshCatalog_InstanceRemoved_DoesNotWait()
    {
        await StartAsync();
        _servers["i"].Forget();
        _servers["i"].Hangs = true;
        var refresh = _owner.RefreshCatalogAsync(Cancelled);
        await _servers["i"].AskedAsync("/api/version", Cancelled).WaitAsync(Guard, Cancelled);
        _source.Change(FakeSource.Definition("j"));
        await refresh.WaitAsync(Guard, Cancelled); // without any delay
    }

    [Fact]
    public async Task RefreshCatalog_NoHealthyInstance_EndsImmediately()
    {
        _servers["i"].Refuses = _servers["j"].Refuses = true;
        await StartAsync();
        await _owner.RefreshCatalogAsync(Cancelled).WaitAsync(Guard, Cancelled);
    }

    private static InstanceView View(FleetSnapshot snapshot, string name) => snapshot.Instances.Single(v => v.Instance.Name == name);

    private async Task StartAsync()
    {
        await _owner.StartingAsync(Cancelled);
        await _owner.StartAsync(Cancelled);
    }

    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(500);

    private async Task UntilAsync(Func<FleetSnapshot, bool> holds)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        void Check()
        {
            if (holds(_owner.Current))
                done.TrySetResult();
        }

        _owner.Changed += Check;
        Check();
        // The owner may set its timer only after the clock was advanced; then it waits for the next advance.
        using var guard = TestTimeouts.StartGuard();
        while (!done.Task.IsCompleted && !guard.IsCancellationRequested)
        {
            await Task.WhenAny(done.Task, Task.Delay(Patience, Cancelled));
            if (!done.Task.IsCompleted)
                _clock.Advance(Health.RecoveryInterval);
        }

        _owner.Changed -= Check;
        Assert.True(done.Task.IsCompletedSuccessfully);
    }
}
