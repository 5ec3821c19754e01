namespace OllamaBridge.Gateway.Scheduling.Filters;

/// <summary>Removes bridges of other regions that, by their last report, have no room for the model or have their own requests waiting for it.</summary>
internal sealed class PeerRoomFilter : IInstanceFilter
{
    public string Name => "peer-room";

    public void Keep(in SchedulingRequest request, Candidates candidates)
    {
        if (!request.NeedsSlot)
            return;
        var key = request.Model.Key;
        var positions = candidates.Positions;
        var kept = 0;
        for (var i = 0; i < candidates.Count; i++)
        {
            var instance = request.Model.Usable[candidates.Index[i]].Instance;
            if (instance.FreeSlots(key) > 0)
                positions[kept++] = i;
            else
                // A bridge with a working instance may have room soon. Without one, it can't serve the request.
                candidates.MayComeSoon |= instance.PeerCanServe(key);
        }

        candidates.Keep(kept);
    }
}
