using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>
/// Chooses the attempts that leave a draining instance: shortly before its deadline as many as have a free slot elsewhere, at the deadline all that
/// can be moved. The youngest are first, since the oldest are closest to their end.
/// </summary>
internal sealed class DrainMoves(TemplateProbe templates, IOptions<ResumptionOptions> options, TimeProvider time)
{
    private TimeSpan Lead => options.Value.DrainLead;

    /// <summary>Chooses the attempts to move now out of all running ones.</summary>
    /// <returns>Null if there are none.</returns>
    public IReadOnlySet<ForwardAttempt>? Choose(IEnumerable<ForwardAttempt> attempts, FleetSnapshot snapshot)
    {
        Dictionary<Instance, Moment>? deadlines = null;
        foreach (var view in snapshot.Instances)
            if (view.DrainDue is { } deadline)
                (deadlines ??= [])[view.Instance] = deadline;
        if (deadlines is null)
            return null;
        var now = time.GetMoment();
        var near = new List<(ForwardAttempt Attempt, ModelView Model, bool IsOver)>();
        foreach (var attempt in attempts)
            if (deadlines.TryGetValue(attempt.Lease.Instance, out var deadline)
                && Find(attempt, snapshot) is { } model
                && IsMovable(attempt, model)
                && now >= deadline - Lead)
                near.Add((attempt, model, now >= deadline));
        if (near.Count == 0)
            return null;
        near.Sort(static (a, b) => b.Attempt.SentAt.CompareTo(a.Attempt.SentAt));
        var chosen = new HashSet<ForwardAttempt>();
        var free = new FreeSlots();
        foreach (var (attempt, model, isOver) in near)
            if (free.TryTake(model, attempt.Lease.Instance) || isOver)
                chosen.Add(attempt);
        return chosen;
    }

    /// <summary>Finds the model of an attempt on the instances that its tenant may use; null if there is none.</summary>
    public static ModelView? Find(ForwardAttempt attempt, FleetSnapshot snapshot) =>
        snapshot.For(attempt.Call.Tenant.Instances).Find(attempt.Call.ModelKey, attempt.Call.Part)?.For(attempt.HasBegun ? attempt.Call.Digest : default);

    private bool IsMovable(ForwardAttempt attempt, ModelView model)
    {
        if (attempt.Call.Operation.Kind != OperationKind.Inference)
            return false;
        if (!attempt.HasBegun)
            return attempt.CanRetry;
        // A stream that is passed on without reading its messages cannot be resumed.
        if (attempt.Call.Kept is null)
            return false;
        if (attempt.Move is null && Target(attempt, model) is { } target)
            attempt.Move = ResumeFeasibility.Ask(attempt, target, templates);
        return attempt.Move is not null && attempt.Peek(static a => a.Move!.IsYes(a));
    }

    /// <summary>Finds the instance that would resume the response, preferably an Ollama server, which can report how it would.</summary>
    private static Instance? Target(ForwardAttempt attempt, ModelView model)
    {
        Instance? target = null;
        foreach (var other in model.Usable)
            if (other.Instance != attempt.Lease.Instance && (target is null || other.Instance.Kind == InstanceKind.Ollama))
                target = other.Instance;
        return target;
    }
}
