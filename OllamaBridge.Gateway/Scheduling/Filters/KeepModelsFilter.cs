using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Scheduling.Filters;

/// <summary>Models stay where they are: a request rather waits a little for an instance that has its model in memory than
/// throws a model in use out of another's.</summary>
/// <remarks>
/// A load costs seconds to minutes and most of an instance's bandwidth; waiting for a slot usually costs less. While an instance
/// that has the model in memory has a slot free, no other is asked. Then one that has room may load it. Any other may load it
/// <list type="bullet">
/// <item>if the model is in memory elsewhere (but busy there): when nobody used what it holds for a while, or the request has
/// waited <see cref="SchedulingOptions.SpillAfter"/>;</item>
/// <item>if the model is in memory nowhere: when nobody is using what it holds, or the request has waited
/// <see cref="SchedulingOptions.SwapAfter"/>.</item>
/// </list>
/// </remarks>
internal sealed class KeepModelsFilter(IOptions<SchedulingOptions> options, TimeProvider time) : IInstanceFilter
{
    private readonly long _spillAfter = Ticks(options.Value.SpillAfter, time);
    private readonly long _swapAfter = Ticks(options.Value.SwapAfter, time);
    private readonly long _demandWindow = Ticks(options.Value.DemandWindow, time);

    /// <inheritdoc/>
    public string Name => "keep-models";

    /// <inheritdoc/>
    public int Keep(in SchedulingRequest request, ReadOnlySpan<ModelPlacement> placements, Span<int> candidates)
    {
        if (!request.NeedsSlot || request.Model.Key.Length == 0)
            return candidates.Length;
        var residents = 0;
        var free = false;
        foreach (var index in candidates)
        {
            if (!placements[index].State.IsResident)
                continue;
            residents++;
            free |= placements[index].Instance.SlotsUsed < placements[index].Instance.Slots;
        }

        if (residents == candidates.Length)
            return residents;
        if (free)
            return KeepResidents(placements, candidates);

        var elsewhere = residents > 0;
        var patience = elsewhere ? _spillAfter : _swapAfter;
        if (request.Waited >= patience)
            return candidates.Length;

        var usedSince = elsewhere ? request.Now - _demandWindow : long.MaxValue;
        var kept = 0;
        foreach (var index in candidates)
        {
            var placement = placements[index];
            if (placement.State.IsResident || !WouldDisplace(placement, usedSince))
                candidates[kept++] = index;
        }

        return kept;
    }

    private static int KeepResidents(ReadOnlySpan<ModelPlacement> placements, Span<int> candidates)
    {
        var kept = 0;
        foreach (var index in candidates)
            if (placements[index].State.IsResident)
                candidates[kept++] = index;
        return kept;
    }

    /// <summary>Whether loading the model there would throw out one that is in use, or was used since a moment.</summary>
    private static bool WouldDisplace(ModelPlacement placement, long usedSince)
    {
        var instance = placement.Instance;
        if (instance.CountResident() < instance.Capacity)
            return false;
        foreach (var other in instance.Placements)
            if (other.IsResident && (other.Active > 0 || WasUsed(other, usedSince) || other.Model.Waiting > 0))
                return true;
        return false;

        // Never is 0, which lies after a moment before the machine's start.
        static bool WasUsed(PlacementState state, long since) => state.LastUsed is not 0 and var at && at > since;
    }

    private static long Ticks(TimeSpan span, TimeProvider time) => (long)(span.TotalSeconds * time.TimestampFrequency);
}
