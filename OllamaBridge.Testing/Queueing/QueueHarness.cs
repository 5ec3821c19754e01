using System.Diagnostics.Metrics;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Testing.Queueing;

/// <summary>A request queue over a test fleet.</summary>
internal sealed class QueueHarness : IDisposable
{
    private readonly TestMeters _meters = new();

    public QueueHarness(FleetBuilder builder, QueueOptions? options = null, SchedulingOptions? scheduling = null)
    {
        Builder = builder;
        Options = options ?? new QueueOptions();
        Fleet.Publish(builder.Build());
        Queue = new RequestQueue(
            Fleet,
            new LeaseAllocator(Deciding.Scheduler(Clock, scheduling), new ConversationAffinity(), Clock),
            new ModelQueues(),
            Microsoft.Extensions.Options.Options.Create(Options),
            Clock,
            new QueueMetrics(_meters));
    }

    public FakeTimeProvider Clock { get; } = new();

    public FakeFleet Fleet { get; } = new();

    public FleetBuilder Builder { get; }

    public QueueOptions Options { get; }

    public RequestQueue Queue { get; }

    /// <summary>A request for a slot.</summary>
    /// <param name="key">The model's canonical name.</param>
    public static LeaseRequest Request(string key) => new() { Model = new ModelSelector(key), NeedsSlot = true };

    public Task<LeaseResult> Ask(string model = "a", Instance[]? tried = null, Instance? only = null, bool needsSlot = true) =>
        Queue.AcquireAsync(Request(Key(model)) with { NeedsSlot = needsSlot, Instances = new InstanceRules { Only = only, Tried = tried } }, CancellationToken.None).AsTask();

    /// <summary>Sends a request for a client that can disconnect.</summary>
    public async Task<LeaseResult> AskUntil(CancellationToken gone, string model = "a") =>
        await Queue.AcquireAsync(Request(Key(model)), gone);

    /// <summary>Returns a lease that must be available immediately.</summary>
    public InstanceLease Get(string model = "a") => Got(Ask(model));

    public static InstanceLease Got(Task<LeaseResult> asked)
    {
        Assert.True(asked.IsCompleted);
        Assert.Equal(LeaseRefusal.None, asked.Result.Refusal);
        return Assert.IsType<InstanceLease>(asked.Result.Lease);
    }

    public int Waiting(string model = "a") => Fleet.Current.Models[FleetBuilder.Key(model)].State.Waiting;

    public void Change(string instance, Func<InstanceView, InstanceView> change) => Fleet.Publish(Builder.Change(instance, change).Build());

    private static string Key(string model) => model.Length == 0 ? "" : FleetBuilder.Key(model);

    public void Dispose()
    {
        Queue.Dispose();
        _meters.Dispose();
    }
}

/// <summary>Meters without a listener.</summary>
internal sealed class TestMeters : IMeterFactory
{
    private readonly List<Meter> _meters = [];

    public Meter Create(MeterOptions options)
    {
        options.Scope = this;
        var meter = new Meter(options);
        _meters.Add(meter);
        return meter;
    }

    public void Dispose() => _meters.ForEach(m => m.Dispose());
}
