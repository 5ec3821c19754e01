using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Shortly before an instance's deadline as many attempts leave as have a free slot elsewhere, at the deadline all that can; youngest first.</summary>
internal sealed class DrainMoves(TemplateProbe templates, IOptions<ResumptionOptions> options, TimeProvider time)
{
    private TimeSpan Lead => options.Value.DrainLead;

    /// <returns>Null if there are none.</returns>
    public IReadOnlySet<StreamedAttempt>? Choose(IEnumerable<StreamedAttempt> attempts, FleetSnapshot snapshot)
    {
        Dictionary<Instance, Moment>? deadlines = null;
        foreach (var view in snapshot.Instances)
            if (view.DrainDue is { } deadline)
                (deadlines ??= [])[view.Instance] = deadline;
        if (deadlines is null)
            return null;
        var now = time.GetMoment();
        var near = new List<(StreamedAttempt Attempt, ModelView Model, bool IsOver)>();
        foreach (var attempt in attempts)
            if (deadlines.TryGetValue(attempt.Lease.Instance, out var deadline)
                && Find(attempt, snapshot) is { } model
                && IsMovable(attempt, model)
                && now >= deadline - Lead)
                near.Add((attempt, model, now >= deadline));
        if (near.Count == 0)
            return null;
        near.Sort(static (a, b) => b.Attempt.Timeline.SentAt.CompareTo(a.Attempt.Timeline.SentAt));
        var chosen = new HashSet<StreamedAttempt>();
        var free = new FreeSlots();
        foreach (var (attempt, model, isOver) in near)
            if (free.TryTake(model, attempt.Lease.Instance) || isOver)
                chosen.Add(attempt);
        return chosen;
    }

    public static ModelView? Find(StreamedAttempt attempt, FleetSnapshot snapshot) =>
        snapshot.For(attempt.Call.Tenant.Instances).Find(attempt.Call.Model.Key, attempt.Call.Model.Part)?.For(attempt.HasBegun ? attempt.Call.Response.Digest : default);

    private bool IsMovable(StreamedAttempt attempt, ModelView model)
    {
        if (attempt.Call.Operation.Kind != OperationKind.Inference)
            return false;
        if (!attempt.HasBegun)
            return attempt.CanRetry;
        // A stream that is passed on without reading its messages cannot be resumed.
        if (attempt.Call.Response.Transcript is null)
            return false;
        if (attempt.Stall?.Feasibility is null && Target(attempt, model) is { } target)
            attempt.ObserveStall().Feasibility = ResumeFeasibility.Examine(attempt, target, templates);
        return attempt.Stall?.Feasibility is not null && attempt.Peek(static a => a.Stall!.Feasibility!.IsFeasible(a));
    }

    private static Instance? Target(StreamedAttempt attempt, ModelView model)
    {
        Instance? target = null;
        foreach (var other in model.Usable)
            if (other.Instance != attempt.Lease.Instance && (target is null || other.Instance.Kind == InstanceKind.Ollama))
                target = other.Instance;
        return target;
    }
}
