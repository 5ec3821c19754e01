using System.Numerics.Tensors;
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
    public void Keep(in SchedulingRequest request, Candidates candidates)
    {
        if (!request.NeedsSlot || request.Model.Key.Length == 0 || candidates.Count == 0)
            return;
        // Each is 1 or 0, so the sum counts and the dot product tells of a resident with a slot free.
        var residents = (int)TensorPrimitives.Sum(candidates.Resident);
        if (residents == candidates.Count)
            return;
        var onlyResidents = residents > 0 && TensorPrimitives.Dot(candidates.Resident, candidates.Free) > 0;
        var elsewhere = residents > 0;
        if (!onlyResidents && request.Waited >= (elsewhere ? _spillAfter : _swapAfter))
            return;

        var usedSince = elsewhere ? request.Now - _demandWindow : long.MaxValue;
        var usable = request.Model.Usable.AsSpan();
        var resident = candidates.Resident;
        var index = candidates.Index;
        var positions = candidates.Positions;
        var kept = 0;
        for (var i = 0; i < resident.Length; i++)
            if (resident[i] > 0 || (!onlyResidents && !WouldDisplace(usable[index[i]].Instance, usedSince)))
                positions[kept++] = i;
        candidates.Keep(kept);
    }

    /// <summary>Whether loading the model there would throw out one that is in use, or was used since a moment.</summary>
    /// <remarks>The model asked for is not in that memory, so whoever uses the instance uses what would have to go.</remarks>
    private static bool WouldDisplace(Instance instance, long usedSince) =>
        // Never used is 0, which lies after a moment before the machine's start.
        !instance.HasRoom && (instance.SlotsUsed > 0 || (instance.LastUsed is not 0 and var at && at > usedSince));

    private static long Ticks(TimeSpan span, TimeProvider time) => (long)(span.TotalSeconds * time.TimestampFrequency);
}
