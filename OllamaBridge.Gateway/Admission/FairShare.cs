namespace OllamaBridge.Gateway.Admission;

/// <summary>A tenant with requests that wait, as the decision sees it.</summary>
internal interface IContender
{
    /// <summary>What it has had: weighted tokens over weight.</summary>
    double Counter { get; }

    /// <summary>When the first of its requests came, as a number that grows.</summary>
    long Arrival { get; }

    /// <summary>How many of its requests wait.</summary>
    int Waiting { get; }

    /// <summary>Its weight.</summary>
    double Weight { get; }
}

/// <summary>Whose turn it is. Pure.</summary>
internal static class FairShare
{
    /// <summary>The tenant that is next: the one with the least counter; among equals the one whose request came first.</summary>
    /// <returns>Its index; -1 where nobody waits.</returns>
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

    /// <summary>About how many are served before a request: its tenant's own before it, and of each other tenant as many as its share lets through meanwhile.</summary>
    /// <param name="own">Requests of the same tenant that stand before it.</param>
    /// <param name="weight">Its tenant's weight.</param>
    /// <param name="others">The tenants that wait.</param>
    /// <param name="self">The index of its own tenant among them; -1 for none.</param>
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
