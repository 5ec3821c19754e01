using System.Numerics.Tensors;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Scheduling.Filters;

/// <summary>A request waits a short time for an instance with its model in memory, instead of evicting a model that is in use on another instance.</summary>
/// <remarks>
/// A load takes seconds to minutes and most of an instance's memory bandwidth; waiting for a slot usually takes less. While an instance with
/// the model in memory has a free slot, no other instance is used. Next, an instance with room may load the model. Any other instance may load it
/// <list type="bullet">
/// <item>if the model is in memory on other instances that are busy: when the instance's models were not used for
/// <see cref="SchedulingOptions.DemandWindow"/>, or the request has waited <see cref="SchedulingOptions.SpillAfter"/>;</item>
/// <item>if no instance has the model in memory: when the instance's models are not in use, or the request has waited
/// <see cref="SchedulingOptions.SwapAfter"/>.</item>
/// </list>
/// </remarks>
internal sealed class KeepModelsFilter(IOptions<SchedulingOptions> options, TimeProvider time) : IInstanceFilter
{
    private const int EnoughToLoad = 128;
    private const int EnoughToAsk = 256;

    public string Name => "keep-models";

    public void Keep(in SchedulingRequest request, Candidates candidates)
    {
        if (!request.NeedsSlot || request.Model.Key.Length == 0 || candidates.Count == 0)
            return;
        // Each value is 1 or 0, so the sum is the count, and the dot product is positive if a resident has a free slot.
        var residents = (int)TensorPrimitives.Sum(candidates.Resident);
        if (residents == candidates.Count)
            return;
        var onlyResidents = residents > 0 && TensorPrimitives.Dot(candidates.Resident, candidates.Free) > 0;
        var elsewhere = residents > 0;
        if (!onlyResidents && request.Waited >= (elsewhere ? Ticks(options.Value.SpillAfter, time) : Ticks(options.Value.SwapAfter, time)))
        {
            if (candidates.Count > EnoughToLoad)
                KeepSome(request, candidates);
            return;
        }

        var usedSince = elsewhere ? request.Now - Ticks(options.Value.DemandWindow, time) : long.MaxValue;
        var usable = request.Model.Usable.AsSpan();
        var resident = candidates.Resident;
        var index = candidates.Index;
        var free = candidates.Free;
        var positions = candidates.Positions;
        var kept = 0;
        // A request that waits for a busy instance is rescheduled at every tick. In a large fleet, each decision examines another part.
        var (first, last) = elsewhere && !onlyResidents ? Window(request, resident.Length) : (0, resident.Length);
        for (var i = first; i < last; i++)
            if (resident[i] > 0 || (!onlyResidents && !WouldDisplace(usable[index[i]].Instance, free[i] < 1, usedSince)))
                positions[kept++] = i;
        candidates.Keep(kept);
    }

    /// <summary>Keeps a bounded number of instances with a free slot: in a large fleet, the best of them is about as good as the best of all.</summary>
    private static void KeepSome(in SchedulingRequest request, Candidates candidates)
    {
        var start = Start(request, candidates.Count);
        var kept = Collect(candidates.Free, start, candidates.Positions);
        candidates.Keep(kept > 0 ? kept : Collect(candidates.Free[..start], 0, candidates.Positions));

        static int Collect(ReadOnlySpan<float> free, int start, Span<int> positions)
        {
            var kept = 0;
            for (var i = start; i < free.Length && kept < EnoughToLoad; i++)
                if (free[i] > 0)
                    positions[kept++] = i;
            return kept;
        }
    }

    private static (int First, int Last) Window(in SchedulingRequest request, int count)
    {
        if (count <= EnoughToAsk)
            return (0, count);
        var first = Start(request, count - EnoughToAsk);
        return (first, first + EnoughToAsk);
    }

    /// <summary>A start position that differs between requests and times, so that loads are spread over the fleet.</summary>
    private static int Start(in SchedulingRequest request, int count) => (int)(((ulong)request.Now ^ request.Affinity) % (ulong)count);

    /// <summary>Whether loading the model on the instance would evict a model that is in use, or was used after <paramref name="usedSince"/>.</summary>
    private static bool WouldDisplace(Instance instance, bool isUsed, long usedSince) =>
        // LastUsed is 0 if the instance was never used. Shortly after the machine's start usedSince is negative, so 0 would count as recent.
        !instance.HasRoom && (isUsed || (instance.LastUsed is not 0 and var at && at > usedSince));

    private static long Ticks(TimeSpan span, TimeProvider time) => (long)(span.TotalSeconds * time.TimestampFrequency);
}
