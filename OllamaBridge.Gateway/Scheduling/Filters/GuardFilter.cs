using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;

namespace OllamaBridge.Gateway.Scheduling.Filters;

/// <summary>Removes placements that failed, are slow or have just recovered, and selects single requests as probes.</summary>
/// <remarks>
/// <list type="bullet">
/// <item>A placement gets no requests while its circuit breaker is open or after its instance asked the bridge to back off.</item>
/// <item>After that time, the next request that can still fail over goes there as a probe, and no other.</item>
/// <item>A placement that is slow, short of memory or on a CPU is used only if no other instance has the model in memory or room for it.</item>
/// <item>A recovered placement gets few requests at first, unless all placements have just recovered.</item>
/// <item>A retried request does not wait for a recovery while a slot is free, because its client may already be reading the response.</item>
/// </list>
/// </remarks>
internal sealed class GuardFilter : IInstanceFilter
{
    public string Name => "guard";

    public void Keep(in SchedulingRequest request, Candidates candidates)
    {
        // Usually no placement is restricted. A request without a slot does not show whether a placement has recovered.
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

    /// <summary>Handles the common case: some placements without requests, all others unrestricted. Otherwise false, with unchanged candidates.</summary>
    private static bool KeepsOnlyUnrestricted(in SchedulingRequest request, Candidates candidates)
    {
        var isRestricted = candidates.TakeRestricted();
        var positions = candidates.Positions;
        var restricted = candidates.Ranks;
        var (free, others) = (0, 0);
        for (var i = 0; i < isRestricted.Length; i++)
        {
            // Writes both lists and advances one: restricted placements are at random positions, and a mispredicted branch costs more than a write.
            positions[free] = i;
            restricted[others] = (uint)i;
            others += isRestricted[i];
            free += 1 - isRestricted[i];
        }

        var usable = request.Model.Usable.AsSpan();
        var mayComeSoon = false;
        foreach (var at in restricted[..others])
        {
            // The restriction may have ended since the candidates were gathered.
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

            // The slots above the instance's actual parallelism don't exist. The instance remains a candidate: it has the model in memory,
            // which is worth the wait.
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
                    // A probe must not cause a model load.
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

    private struct Seen
    {
        /// <summary>The number of unrestricted placements. Their positions are the first entries of <see cref="Candidates.Positions"/>.</summary>
        public int Steady;

        public bool DependsOnOthers;

        public bool HasBetter;

        public bool CanElsewhere;

        public bool MayComeSoon;

        public bool HasFreeSteady;

        /// <summary>Whether a placement that counts for <see cref="CanElsewhere"/> has a free slot.</summary>
        public bool HasFreeElsewhere;

        public bool GoSlowly;

        /// <summary>The position of the placement to probe; -1 for none.</summary>
        public int ProbeAt;

        public readonly bool HasSteady => Steady > 0;
    }
}
