using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Bodies;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Queueing;

namespace OllamaBridge.Testing.Forwarding;

/// <summary>Creates requests as the stages of the pipeline leave them, and attempts of them.</summary>
internal static class TestCalls
{
    private static readonly TestMeters Meters = new();
    private static readonly ForwardingMetrics Forwarding = new(Meters);
    private static readonly PlacementMetrics Placements = new(Meters);

    // Shared: each recorder of outcomes adds instruments.
    private static readonly FaultRecorder Unobserved = new(Outcomes(TimeProvider.System), new RepeatedFailures(TimeProvider.System));

    /// <summary>Creates a request. <paramref name="model"/> is the canonical name of its model; empty for none.</summary>
    public static ForwardedCall Create(
        string path = "/api/chat",
        string model = "",
        RequestFacts facts = default,
        ReplayableBody? body = null,
        Tenant? tenant = null,
        ForwardingTarget? target = null,
        QueueWait? wait = null)
    {
        var operation = new OperationFeature(OperationTable.Find(path, out var rest)!, rest);
        var received = new RequestBodyFeature(facts, body);
        return new ForwardedCall(
            operation, tenant ?? Tenant.Anonymous, received, new ModelSelection(operation.Operation, received) { Key = model }, new RequestResult(0))
        {
            Target = target ?? ForwardingTarget.Any,
            Pinned = target?.Pinned,
            Wait = wait ?? new QueueWait(),
        };
    }

    /// <summary>Creates an attempt whose failures are recorded in <paramref name="faults"/>; by default in a record of its own.</summary>
    public static ForwardAttempt Attempt(
        ForwardedCall call,
        InstanceLease lease,
        TimeProvider time,
        RetryBudget? budget = null,
        CancellationToken gone = default,
        bool isBound = false,
        HedgeRace? race = null,
        ResumptionPlan? plan = null,
        FailedAttempts? faults = null) =>
        new(call, faults ?? Unobserved.Begin(call), lease, budget, time, gone) { IsBoundToInstance = isBound, Race = race, Plan = plan };

    /// <summary>Begins a record of failed attempts.</summary>
    public static FailedAttempts Faults(ForwardedCall call, TimeProvider time, IFleet? fleet = null) =>
        new FaultRecorder(Outcomes(time, fleet), new RepeatedFailures(time)).Begin(call);

    /// <summary>Creates the recorder of outcomes for a fleet; by default for an empty one.</summary>
    public static PlacementOutcomes Outcomes(TimeProvider time, IFleet? fleet = null) => new(
        fleet ?? new FakeFleet(),
        Options.Create(new BreakerOptions()),
        Options.Create(new HealthOptions()),
        time,
        new Random(1),
        Forwarding,
        Placements,
        NullLogger<PlacementOutcomes>.Instance);
}
