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
    private const int EnoughToLoad = 128;
    private const int EnoughToAsk = 256;

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
        // Whoever waits for a busy instance looks again at every tick, each time at others of a large fleet.
        var (first, last) = elsewhere && !onlyResidents ? Window(request, resident.Length) : (0, resident.Length);
        for (var i = first; i < last; i++)
            if (resident[i] > 0 || (!onlyResidents && !WouldDisplace(usable[index[i]].Instance, free[i] < 1, usedSince)))
                positions[kept++] = i;
        candidates.Keep(kept);
    }

    /// <summary>Of a large fleet, some with a slot free: whichever loads the model, the best of so many is as good as the best of all.</summary>
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

    /// <summary>A place to begin, another for each request and moment, so that not all loads go to the same few.</summary>
    private static int Start(in SchedulingRequest request, int count) => (int)(((ulong)request.Now ^ request.Affinity) % (ulong)count);

    /// <summary>Whether loading the model there would throw out one that is in use, or was used since a moment.</summary>
    /// <remarks>The model asked for is not in that memory, so whoever uses the instance uses what would have to go.</remarks>
    private static bool WouldDisplace(Instance instance, bool isUsed, long usedSince) =>
        // Never used is 0, which lies after a moment before the machine's start.
        !instance.HasRoom && (isUsed || (instance.LastUsed is not 0 and var at && at > usedSince));

    private static long Ticks(TimeSpan span, TimeProvider time) => (long)(span.TotalSeconds * time.TimestampFrequency);
}
