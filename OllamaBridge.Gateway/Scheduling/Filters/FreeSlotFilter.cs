using System.Numerics.Tensors;

namespace OllamaBridge.Gateway.Scheduling.Filters;

internal sealed class FreeSlotFilter : IInstanceFilter
{
    public string Name => "free-slot";

    public void Keep(in SchedulingRequest request, Candidates candidates)
    {
        var free = candidates.Free;
        if (!request.NeedsSlot || free.IsEmpty || TensorPrimitives.Min(free) > 0)
            return;
        var positions = candidates.Positions;
        var kept = 0;
        for (var i = 0; i < free.Length; i++)
            if (free[i] > 0)
                positions[kept++] = i;
        candidates.Keep(kept);
    }
}
