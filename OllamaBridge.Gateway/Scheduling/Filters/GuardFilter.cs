using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;

namespace OllamaBridge.Gateway.Scheduling.Filters;

/// <summary>Keeps requests away from where their model failed, is slow or has only just come back, and lets single ones find out whether it has recovered.</summary>
/// <remarks>
/// <list type="bullet">
/// <item>What failed lately (its breaker is open) or asked to be left alone gets nothing.</item>
/// <item>When its time is over, the next request goes there that could still be sent elsewhere, and only that one.</item>
/// <item>What is slow or on a processor is used only where nobody else has the model in memory or room for it.</item>
/// <item>What has just come back holds few requests at first, unless all of them have.</item>
/// <item>A request that is sent again waits for nobody's recovery while there is a slot: somebody may be reading.</item>
/// </list>
/// </remarks>
internal sealed class GuardFilter : IInstanceFilter
{
    /// <inheritdoc/>
    public string Name => "guard";

    /// <inheritdoc/>
    public void Keep(in SchedulingRequest request, Candidates candidates)
    {
        // Nothing is wrong anywhere: one look. A question that costs nothing tells nothing either.
        if (request.Model.State.Restricted == 0 || !request.NeedsSlot)
            return;
        if (KeepsOnlyUnrestricted(request, candidates))
            return;
        var conditions = candidates.Ranks;
        var seen = Classify(request, candidates, conditions);
        if (seen.ProbeAt >= 0 && seen.CanElsewhere && request.Tried is null && !request.NoRetry)
        {
            candidates.Positions[0] = seen.ProbeAt;
            candidates.Keep(1);
            return;
        }

        if (!seen.DependsOnOthers)
        {
            candidates.MayComeSoon = seen.MayComeSoon;
            candidates.Keep(seen.Steady);
            return;
        }

        candidates.GoSlowly = seen.GoSlowly = seen.HasSteady && (request.Tried is null || seen.HasFreeSteady);
        candidates.MayComeSoon = seen.MayComeSoon;
        var usable = request.Model.Usable.AsSpan();
        var index = candidates.Index;
        var positions = candidates.Positions;
        var kept = 0;
        for (var i = 0; i < conditions.Length; i++)
            if (conditions[i] == (uint)PlacementCondition.Steady || MayServe((PlacementCondition)conditions[i], request, seen, usable[index[i]]))
                positions[kept++] = i;
        candidates.Keep(kept);
    }

    /// <summary>The usual case of something wrong: some are out, and all others are as good as ever. Two lists, and no question about each of the others.</summary>
    /// <returns>False where it is not so; nothing has been kept then.</returns>
    private static bool KeepsOnlyUnrestricted(in SchedulingRequest request, Candidates candidates)
    {
        var isRestricted = candidates.TakeRestricted();
        var positions = candidates.Positions;
        var restricted = candidates.Ranks;
        var (free, others) = (0, 0);
        for (var i = 0; i < isRestricted.Length; i++)
        {
            // Both are written and one is kept: who is out lies anywhere, and a wrong guess costs more than a write.
            positions[free] = i;
            restricted[others] = (uint)i;
            others += isRestricted[i];
            free += 1 - isRestricted[i];
        }

        var usable = request.Model.Usable.AsSpan();
        var mayComeSoon = false;
        foreach (var at in restricted[..others])
        {
            // It may have been freed since it was gathered: then there is nothing to keep away from.
            var state = usable[candidates.Index[(int)at]].State;
            var condition = state.IsRestricted ? state.Guard!.ConditionAt(request.Now) : PlacementCondition.Steady;
            if (condition is not (PlacementCondition.Open or PlacementCondition.Probing or PlacementCondition.Busy))
                return false;
            mayComeSoon |= condition != PlacementCondition.Open;
        }

        candidates.MayComeSoon = mayComeSoon;
        candidates.Keep(free);
        return true;
    }

    private static Seen Classify(in SchedulingRequest request, Candidates candidates, Span<uint> conditions)
    {
        var usable = request.Model.Usable.AsSpan();
        var index = candidates.Index;
        var resident = candidates.Resident;
        var seen = new Seen { ProbeAt = -1 };
        var isAnySlow = false;
        var positions = candidates.Positions;
        for (var i = 0; i < index.Length; i++)
        {
            var state = usable[index[i]].State;
            if (!state.IsRestricted)
            {
                conditions[i] = (uint)PlacementCondition.Steady;
                positions[seen.Steady++] = i;
                seen.HasFreeSteady |= candidates.Free[i] > 0;
                continue;
            }

            // Slots that the instance does not run are no slots. The instance stays a candidate: its model is in memory there, which is worth waiting for.
            if (state.Guard!.IsFull(request.Now))
                candidates.MarkFull(i);
            var condition = state.Guard!.ConditionAt(request.Now);
            conditions[i] = (uint)condition;
            switch (condition)
            {
                case PlacementCondition.Steady:
                    positions[seen.Steady++] = i;
                    seen.HasFreeSteady |= candidates.Free[i] > 0;
                    break;
                case PlacementCondition.SlowStart:
                    seen.CanElsewhere = seen.MayComeSoon = seen.DependsOnOthers = true;
                    seen.HasFreeElsewhere |= candidates.Free[i] > 0;
                    break;
                case PlacementCondition.OnCpu or PlacementCondition.ShortOfMemory or PlacementCondition.Slow:
                    seen.CanElsewhere = seen.DependsOnOthers = isAnySlow = true;
                    seen.HasFreeElsewhere |= candidates.Free[i] > 0;
                    break;
                case PlacementCondition.SlowDue or PlacementCondition.HalfOpen:
                    isAnySlow |= condition == PlacementCondition.SlowDue;
                    // To load a model only to see whether that works would be no service to anybody.
                    if (seen.ProbeAt < 0 && resident[i] > 0 && candidates.Free[i] > 0)
                        seen.ProbeAt = i;
                    seen.MayComeSoon = seen.DependsOnOthers = true;
                    break;
                case PlacementCondition.Probing or PlacementCondition.Busy:
                    seen.MayComeSoon = true;
                    break;
            }
        }

        seen.CanElsewhere |= seen.HasSteady;
        seen.HasFreeElsewhere |= seen.HasFreeSteady;
        seen.HasBetter = isAnySlow && IsBetter(request, candidates, conditions);
        return seen;
    }

    private static bool IsBetter(in SchedulingRequest request, Candidates candidates, ReadOnlySpan<uint> conditions)
    {
        for (var i = 0; i < conditions.Length; i++)
            if (conditions[i] <= (uint)PlacementCondition.SlowStart
                && (candidates.Resident[i] > 0 || request.Model.Usable[candidates.Index[i]].Instance.HasRoom))
                return true;
        return false;
    }

    private static bool MayServe(PlacementCondition condition, in SchedulingRequest request, in Seen seen, in UsablePlacement placement) => condition switch
    {
        PlacementCondition.SlowStart => !seen.GoSlowly || !placement.State.Guard!.IsAtLimit(placement.Instance, request.Now),
        PlacementCondition.OnCpu or PlacementCondition.ShortOfMemory or PlacementCondition.Slow => !seen.HasBetter,
        PlacementCondition.SlowDue => !seen.HasBetter || (request.Tried is null && !request.NoRetry),
        PlacementCondition.HalfOpen => !seen.CanElsewhere || (request.Tried is null ? !request.NoRetry : !seen.HasFreeElsewhere),
        PlacementCondition.Probing or PlacementCondition.Busy or PlacementCondition.Open => false,
        _ => true,
    };

    /// <summary>What there is.</summary>
    private struct Seen
    {
        /// <summary>How many may take all that comes; their positions are the first that were noted.</summary>
        public int Steady;

        /// <summary>Somebody whose turn it is depends on who else there is.</summary>
        public bool DependsOnOthers;

        /// <summary>Somebody in order with the model in memory, or room for it.</summary>
        public bool HasBetter;

        /// <summary>Somebody who can take a request that a probe fails.</summary>
        public bool CanElsewhere;

        /// <summary>Somebody who may serve later without anything new from the fleet.</summary>
        public bool MayComeSoon;

        /// <summary>Whether one of those has a slot free.</summary>
        public bool HasFreeSteady;

        /// <summary>Whether one of those that <see cref="CanElsewhere"/> speaks of has a slot free.</summary>
        public bool HasFreeElsewhere;

        /// <summary>Whether what has only just come back need not take all that comes.</summary>
        public bool GoSlowly;

        /// <summary>Where a request would show whether the model has recovered; -1 for nowhere.</summary>
        public int ProbeAt;

        /// <summary>Whether anybody may take all that comes.</summary>
        public readonly bool HasSteady => Steady > 0;
    }
}
