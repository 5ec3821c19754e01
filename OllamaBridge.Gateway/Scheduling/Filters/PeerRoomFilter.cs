namespace OllamaBridge.Gateway.Scheduling.Filters;

/// <summary>Of other regions' bridges: has room for the model, as it last said itself, and nobody of its own who waits for it.</summary>
internal sealed class PeerRoomFilter : IInstanceFilter
{
    /// <inheritdoc/>
    public string Name => "peer-room";

    /// <inheritdoc/>
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
                // Whoever has somebody who works may have room soon; who has nobody is as good as away.
                candidates.MayComeSoon |= instance.PeerCanServe(key);
        }

        candidates.Keep(kept);
    }
}
