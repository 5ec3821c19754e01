using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Resumption.Liveness;

/// <summary>One check for each instance, model and set of options with silent requests. Used only by <see cref="StallDetector"/>'s loop.</summary>
internal sealed class LivenessChecks(HttpMessageInvoker client, IOptions<LivenessOptions> options, TimeProvider time, ILogger<LivenessChecks> logger) : IDisposable
{
    // An earlier response may still be on its way.
    private static readonly TimeSpan Suspicious = TimeSpan.FromSeconds(2);
    private LivenessOptions Settings => options.Value;
    private readonly Dictionary<(Instance Instance, LivenessQuery Query), LivenessCheck> _checks = [];

    public LivenessState Check(StreamedAttempt attempt, long now)
    {
        if (!Settings.Enabled)
            return LivenessState.Unknown;
        if (attempt.Stall?.Liveness is not { } check)
        {
            if (attempt.Peek(static a => LivenessQuery.For(a.Call, a.Lease.Instance)) is not { } query)
                return LivenessState.Unknown;
            var instance = attempt.Lease.Instance;
            if (!_checks.TryGetValue((instance, query), out check))
                _checks.Add((instance, query), check = new LivenessCheck(instance, attempt.Call.Model.Key, query, client, Settings, time));
            attempt.ObserveStall().Liveness = check;
            check.MayReload |= query.HasRunnerOptions || MayReload(attempt);
        }

        check.Update(now);
        return check.StateAt(now);
    }

    /// <summary>The model was not in memory, or its last request had another context length.</summary>
    private static bool MayReload(StreamedAttempt attempt) =>
        !attempt.Lease.WasLoaded || !attempt.Lease.Placement.State.HasLoadedWeights || attempt.Lease.Placement.State.LastContext != attempt.Call.Facts.Demands.Context;

    /// <summary>Whether a check of the instance has no response yet, so that no other request should be moved there.</summary>
    public bool IsSuspicious(Instance instance, long now)
    {
        foreach (var check in _checks.Values)
            if (check.Instance == instance && check.Overdue(now) >= Suspicious)
                return true;
        return false;
    }

    /// <summary>Must be called once after each round.</summary>
    public void Sweep(long now)
    {
        List<(Instance, LivenessQuery)>? ended = null;
        foreach (var (key, check) in _checks)
        {
            if (check.NoteState(now) is { } state)
                LivenessLog.Changed(logger, check.ModelKey, check.Instance.Name, state, check.Overdue(now).TotalSeconds);
            if (!check.IsWanted)
                (ended ??= []).Add(key);
            check.IsWanted = false;
        }

        foreach (var key in ended ?? [])
            if (_checks.Remove(key, out var check))
                check.Dispose();
    }

    public void Dispose()
    {
        foreach (var check in _checks.Values)
            check.Dispose();
        _checks.Clear();
    }
}
