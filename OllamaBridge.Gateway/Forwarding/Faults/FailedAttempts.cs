using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Forwarding.Faults;

/// <summary>Classifies failures as soon as there is evidence, at the latest at the request's end. Thread-safe, because of hedging.</summary>
internal sealed class FailedAttempts(ForwardedCall call, PlacementOutcomes outcomes, RepeatedFailures memory)
{
    private readonly Lock _lock = new();
    private readonly List<Failed> _failed = [];
    private (Instance Instance, string Model)? _answeredBy;
    private volatile bool _hasFailed;

    /// <summary>Whether the same request failed recently on every instance it was sent to: then it gets one attempt.</summary>
    public bool IsKnownToFail { get; private set; }

    public bool HasFewerLayers { get; set; }

    public bool FailsEverywhere
    {
        get
        {
            lock (_lock)
                return FindAlike(call.Model.Key) is { } alike && WillRepeat(alike);
        }
    }

    public void Restart() => IsKnownToFail = !HasFewerLayers && memory.IsKnown(call);

    public void Add(ForwardAttempt attempt, InstanceFailure failure)
    {
        call.Result.IsRequestFault |= FaultClassifier.IsRequestFault(failure, attempt.Result.Status, call.Facts.HasInvalidValue);
        _hasFailed = true;
        // An attempt that the bridge cancelled is not a failure of the instance.
        if (attempt.Withdrawn is not null)
            return;
        var failed = new Failed(attempt.Lease, failure, attempt.Result.Status, attempt.Result.BusyFor, attempt.HasBegun, call.Model.Key);
        lock (_lock)
        {
            // That response broke off: the request has no successful instance any more.
            if (_answeredBy?.Instance == failed.Instance)
                _answeredBy = null;

            // Evidence from other instances changes only unknown faults.
            var isOpen = _answeredBy?.Model != failed.Model && Classify(failed, OtherInstances.NotAsked) == Fault.Unknown;
            _failed.Add(failed with { IsJudged = !isOpen });
            if (!isOpen)
                Judge(failed, _answeredBy is { } answer ? Compare(failed, answer) : OtherInstances.NotAsked);
        }
    }

    public void Answered(Instance instance)
    {
        lock (_lock)
        {
            // The beginning of a first response proves nothing: a stream may still fail as before.
            if (IsKnownToFail && _hasFailed)
                memory.Remove(call);
            var answer = (Instance: instance, Model: call.Model.Key);
            _answeredBy = answer;
            // The success of another model is no evidence about this one.
            foreach (var failed in _failed)
                if (!failed.IsJudged && failed.Model == answer.Model)
                    Judge(failed, Compare(failed, answer));
            _failed.RemoveAll(f => f.Model == answer.Model);
        }
    }

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
        // Repeated busy responses to one request must not keep others away from the instance.
        if (fault == Fault.Unknown && failed.BusyFor is not null && !memory.TryBlame(call, failed.Model, failed.Instance, isTold: true))
            fault = Fault.Request;
        // It failed before on two instances, fails again, and the instance answers others: the request is at fault.
        call.Result.IsRequestFault |= fault == Fault.Request && IsKnownToFail && failed is { Failure: InstanceFailure.ServerError, BusyFor: null }
            && outcomes.HasAnsweredLately(failed.Lease);
        outcomes.Judged(failed.Lease, failed.Failure, fault, failed.BusyFor);
    }

    private Fault Classify(in Failed failed, OtherInstances others) =>
        FaultClassifier.Classify(new AttemptEvidence(failed.Failure, call.Operation.Kind, others) { IsKnownToFail = IsKnownToFail });

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

    /// <summary><paramref name="BusyFor"/> is the Retry-After, zero if the instance sent none; null if it was not busy.</summary>
    private readonly record struct Failed(InstanceLease Lease, InstanceFailure Failure, int Status, TimeSpan? BusyFor, bool HasBegun, string Model)
    {
        public Instance Instance => Lease.Instance;

        public bool IsJudged { get; init; }
    }
}
