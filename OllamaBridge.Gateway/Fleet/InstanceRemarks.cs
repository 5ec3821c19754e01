namespace OllamaBridge.Gateway.Fleet;

/// <summary>Remarks for operators on a healthy instance: capabilities that it lacks, and reasons why it gets no requests. Pure.</summary>
internal static class InstanceRemarks
{
    /// <summary>All remarks; none for an instance that is not healthy, whose error is sufficient.</summary>
    public static IReadOnlyList<string> Of(FleetSnapshot snapshot, InstanceView view)
    {
        if (view.Status != InstanceStatus.Healthy)
            return [];
        var remarks = new List<string>();
        if (view.CatalogKnown && view.Catalog.IsEmpty)
            remarks.Add("its list of models is empty: it gets no requests for models");
        foreach (var mismatch in snapshot.Mismatches)
            if (mismatch.Instance == view.Instance)
                remarks.Add(
                    $"{mismatch.Model} has the digest {DigestMismatch.Short(mismatch.Digest)} there, the fleet serves {DigestMismatch.Short(mismatch.Served)}: it gets no requests for it");
        foreach (var model in view.Catalog)
            if (snapshot.Models.TryGetValue(model.Key, out var served) && served.Tier is { IsExclusive: true } tier && !tier.Owns(view.Instance.Name))
                remarks.Add($"{model.Key} is served only by the tier {tier.Name}");
        remarks.AddRange(view.Remarks);
        return remarks;
    }

    /// <summary>Why an instance gets no requests: its error, or for a healthy instance without any usable model the reason; null if it gets requests.</summary>
    public static string? Reason(FleetSnapshot snapshot, InstanceView view, IReadOnlyList<string> remarks)
    {
        if (view.LastError is not null || view.Status != InstanceStatus.Healthy || remarks.Count == 0)
            return view.LastError;
        foreach (var model in view.Catalog)
            if (snapshot.Models.TryGetValue(model.Key, out var served))
                foreach (var placement in served.Placements)
                    if (placement.Instance == view.Instance)
                        return null;
        return remarks[0];
    }
}
