using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Forwarding.Liveness;

/// <summary>The checks under way: one for each instance, model and set of options with silent requests.</summary>
/// <remarks>Used by <see cref="Continuation.SilenceWatch"/>'s loop alone.</remarks>
internal sealed class LivenessChecks(HttpMessageInvoker client, IOptions<LivenessOptions> options, TimeProvider time, ILogger<LivenessChecks> logger) : IDisposable
{
    // Below this an answer may simply be on its way.
    private static readonly TimeSpan Suspicious = TimeSpan.FromSeconds(2);
    private LivenessOptions Settings => options.Value;
    private readonly Dictionary<(Instance Instance, LivenessQuery Query), LivenessCheck> _checks = [];

    /// <summary>Checks the instance of a silent request, if a check is due.</summary>
    /// <returns>What the checks say.</returns>
    public LivenessState Check(ForwardAttempt attempt, long now)
    {
        if (!Settings.Enabled)
            return LivenessState.Unknown;
        if (attempt.Liveness is not { } check)
        {
            if (attempt.Peek(static a => LivenessQuery.For(a.Call, a.Lease.Instance)) is not { } query)
                return LivenessState.Unknown;
            var instance = attempt.Lease.Instance;
            if (!_checks.TryGetValue((instance, query), out check))
                _checks.Add((instance, query), check = new LivenessCheck(instance, attempt.Call.ModelKey, query, client, Settings, time));
            attempt.Liveness = check;
            check.MayReload |= query.HasRunnerOptions || MayReload(attempt);
        }

        check.Update(now);
        return check.StateAt(now);
    }

    /// <summary>Whether a request may make its instance load its model: it was not seen in memory, or it was last used with another context.</summary>
    private static bool MayReload(ForwardAttempt attempt) =>
        !attempt.Lease.WasLoaded || !attempt.Lease.Placement.State.HasLoadedWeights || attempt.Lease.Placement.State.LastContext != attempt.Call.Facts.Demands.Context;

    /// <summary>Whether an instance owes an answer to a check, so that no other request should be moved there.</summary>
    public bool IsSuspicious(Instance instance, long now)
    {
        foreach (var check in _checks.Values)
            if (check.Instance == instance && check.Overdue(now) >= Suspicious)
                return true;
        return false;
    }

    /// <summary>Ends checks for which no request waits any more. Once after each round.</summary>
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

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var check in _checks.Values)
            check.Dispose();
        _checks.Clear();
    }
}
