namespace OllamaBridge.Gateway.Quotas;

/// <summary>A tenant with waiting requests.</summary>
internal interface IContender
{
    /// <summary>The service that the tenant has received: weighted tokens divided by its weight.</summary>
    double Counter { get; }

    /// <summary>The arrival number of its oldest request; ascending.</summary>
    long Arrival { get; }

    int Waiting { get; }

    double Weight { get; }
}

/// <summary>Decides which tenant is served next. Pure.</summary>
internal static class FairShare
{
    /// <summary>The index of the tenant with the smallest counter; among equals, of the one with the oldest request; -1 if no tenant waits.</summary>
    public static int Next<T>(ReadOnlySpan<T> contenders)
        where T : IContender
    {
        var next = -1;
        double least = 0;
        for (var i = 0; i < contenders.Length; i++)
        {
            var counter = contenders[i].Counter;
            if (next >= 0 && (counter > least || (counter == least && contenders[i].Arrival > contenders[next].Arrival)))
                continue;
            next = i;
            least = counter;
        }

        return next;
    }

    /// <summary>Estimates how many requests are served before a request: the earlier ones of its own tenant, and of each other tenant as many as its share
    /// allows meanwhile. <paramref name="self"/> is the index of its own tenant; -1 for none.</summary>
    public static int Ahead<T>(int own, double weight, ReadOnlySpan<T> others, int self)
        where T : IContender
    {
        double ahead = own;
        for (var i = 0; i < others.Length; i++)
            if (i != self)
                ahead += Math.Min(others[i].Waiting, Math.Ceiling((own + 1) * others[i].Weight / weight));
        return (int)Math.Min(ahead, int.MaxValue - 1);
    }
}
