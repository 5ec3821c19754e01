using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Forwarding.Faults;

/// <summary>The failed attempts of one request. Each is judged as soon as there is evidence, at the latest when the request ends.</summary>
/// <remarks>Safe for threads: a hedged request has two attempts at once.</remarks>
internal sealed class FailedAttempts(BridgeCall call, PlacementOutcomes outcomes, RepeatedFailures memory)
{
    private readonly Lock _lock = new();
    private readonly List<Failed> _failed = [];
    private (Instance Instance, string Model)? _answeredBy;

    /// <summary>Whether two instances failed the request in the same way, and a third would, too.</summary>
    public bool FailsEverywhere
    {
        get
        {
            lock (_lock)
                return FindAlike(call.ModelKey) is { } alike && WillRepeat(alike);
        }
    }

    /// <summary>Notes a failed attempt.</summary>
    /// <param name="attempt">The attempt.</param>
    /// <param name="failure">How it failed.</param>
    public void Add(ForwardAttempt attempt, InstanceFailure failure)
    {
        // What the bridge took away from an instance, the instance didn't fail.
        if (attempt.Taken is not null)
            return;
        var failed = new Failed(attempt.Lease, failure, attempt.Status, attempt.BusyFor, attempt.HasBegun, call.ModelKey);
        lock (_lock)
        {
            // (Of a hedged request another attempt may have been answered before any failed.)
            _answeredBy ??= call.Answering is { } by ? (by, call.ModelKey) : null;
            if (_answeredBy?.Instance == failed.Instance)
            {
                // Its response broke off: who answers is open again.
                _answeredBy = null;
                call.Answering = null;
            }

            // Evidence from other instances can change only what is unknown.
            var isOpen = _answeredBy?.Model != failed.Model && Classify(failed, OtherInstances.NotAsked) == Fault.Unknown;
            _failed.Add(failed with { IsJudged = !isOpen });
            if (!isOpen)
                Judge(failed, _answeredBy is { } answer ? Compare(failed, answer) : OtherInstances.NotAsked);
        }
    }

    /// <summary>An instance answers the request as it should.</summary>
    public void Answered(Instance instance)
    {
        lock (_lock)
        {
            if (call.IsKnownToFail)
                memory.Remove(call);
            var answer = (instance, call.ModelKey);
            _answeredBy = answer;
            // What another model's instance answers says nothing about this one.
            foreach (var failed in _failed)
                if (!failed.IsJudged && failed.Model == answer.ModelKey)
                    Judge(failed, Compare(failed, answer));
            _failed.RemoveAll(f => f.Model == answer.ModelKey);
        }
    }

    /// <summary>The request has ended: what isn't judged yet is judged by what there is.</summary>
    public void End()
    {
        lock (_lock)
        {
            foreach (var model in _failed.Select(p => p.Model).Distinct().ToArray())
            {
                var alike = FindAlike(model);
                if (alike is { } same && WillRepeat(same))
                {
                    memory.Add(call, model);
                    outcomes.KnownToFail(call.Operation.Name, model);
                }
                foreach (var failed in _failed.Where(p => p.Model == model && !p.IsJudged))
                    Judge(failed, alike is { } two && IsAlike(two, failed) ? OtherInstances.FailedAlike
                        : _failed.Exists(p => p.Instance != failed.Instance && p.Model == model) ? OtherInstances.FailedOtherwise
                        : OtherInstances.NotAsked);
            }

            _failed.Clear();
        }
    }

    private static OtherInstances Compare(in Failed failed, (Instance Instance, string Model) answer) =>
        answer.Instance == failed.Instance || answer.Model != failed.Model ? OtherInstances.NotAsked : OtherInstances.Answered;

    private void Judge(in Failed failed, OtherInstances others)
    {
        var fault = Classify(failed, others);
        if (fault == Fault.Instance && others == OtherInstances.Answered && !memory.TryBlame(call, failed.Model, failed.Instance, isTold: failed.Status != 0))
            fault = Fault.Request;
        // One request that is told to come back later, again and again, doesn't keep others away.
        if (fault == Fault.Unknown && failed.BusyFor is not null && !memory.TryBlame(call, failed.Model, failed.Instance, isTold: true))
            fault = Fault.Request;
        // It failed before on two instances, fails again, and the instance answers others: the request is at fault.
        call.IsRequestFault |= fault == Fault.Request && call.IsKnownToFail && failed is { Failure: InstanceFailure.ServerError, BusyFor: null }
            && outcomes.HasAnsweredLately(failed.Lease);
        outcomes.Judged(failed.Lease, failed.Failure, fault, failed.BusyFor);
    }

    private Fault Classify(in Failed failed, OtherInstances others) =>
        FaultClassifier.Classify(new AttemptEvidence(failed.Failure, call.Operation.Kind, others) { IsKnownToFail = call.IsKnownToFail });

    private Failed? FindAlike(string model)
    {
        for (var i = 1; i < _failed.Count; i++)
            for (var k = 0; k < i; k++)
                if (_failed[i].Model == model && _failed[i].Instance != _failed[k].Instance && IsAlike(_failed[i], _failed[k]))
                    return _failed[k];
        return null;
    }

    private static bool WillRepeat(in Failed failed) => FaultClassifier.WillRepeat(failed.Failure, failed.BusyFor is not null, failed.HasBegun);

    private static bool IsAlike(in Failed one, in Failed other) => one.Model == other.Model && FaultClassifier.IsAlike(one.Failure, one.Status, other.Failure, other.Status);

    /// <param name="Lease">By what right it was sent.</param>
    /// <param name="Failure">How it failed.</param>
    /// <param name="Status">The response's status; 0 for none.</param>
    /// <param name="BusyFor">If the instance said that it is busy: for how long, zero if it didn't say; else null.</param>
    /// <param name="HasBegun">Whether the response had begun.</param>
    /// <param name="Model">The model that was asked.</param>
    private readonly record struct Failed(InstanceLease Lease, InstanceFailure Failure, int Status, TimeSpan? BusyFor, bool HasBegun, string Model)
    {
        public Instance Instance => Lease.Instance;

        /// <summary>Whether it has been judged: it is kept to compare others with.</summary>
        public bool IsJudged { get; init; }
    }
}
