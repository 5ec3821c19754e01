namespace OllamaBridge.Gateway.Quotas;

/// <summary><paramref name="Pending"/> is the amount that waiting requests need, <paramref name="Recent"/> the amount admitted recently.</summary>
internal readonly record struct QuotaWish(long Limit, long Used, long Pending, double Recent, long OthersUsed, int Gateways);

/// <summary>Divides a limit among the gateways. Pure.</summary>
internal static class QuotaPortions
{
    // The recent amount decays while no requests arrive; below this it counts as 0.
    private const double Least = 0.25;
    private const double Decay = 0.8;

    /// <summary>The amount to claim: the use, the pending needs, and room for twice the recent amount. The room is at most this gateway's part of half of the
    /// unclaimed amount: if little is left, no gateway reserves what another one needs.</summary>
    public static long Request(in QuotaWish wish)
    {
        var needed = wish.Used + wish.Pending;
        var left = Math.Max(0, wish.Limit - wish.OthersUsed - needed);
        var room = Math.Min((long)Math.Ceiling(2 * wish.Recent), left / (2 * Math.Max(1, wish.Gateways)));
        return Math.Max(wish.Used, Math.Min(wish.Limit, needed + room));
    }

    /// <summary>The granted amount: up to the amount that others have not claimed, and never less than the use.</summary>
    public static long Grant(long limit, long used, long requested, long others) => Math.Max(0, Math.Max(used, Math.Min(requested, limit - others)));

    /// <summary>A gateway's share while the shared state is unreachable: an even one, at least 1.</summary>
    public static long EvenShare(long limit, int gateways) => Math.Max(1, limit / Math.Max(1, gateways));

    public static double Lately(double before, long now) => Math.Max(now, before * Decay) is >= Least and var recent ? recent : 0;
}

/// <summary>The part of one limit that this gateway may use without a further claim. Not thread-safe: guarded by the tenant's lock.</summary>
internal sealed class QuotaClaim(QuotaLimit kind)
{
    private double _recent;
    private long _admitted;

    public QuotaLimit Kind => kind;

    /// <summary>The amount that it may use; for requests per second, the permits that it has.</summary>
    public long Held { get; set; }

    public long OthersUsed { get; private set; }

    public long OthersSpent { get; private set; }

    /// <summary>Permits that no gateway had, from the last response.</summary>
    public double Left { get; private set; }

    public (long Used, long Requested) Reported { get; private set; }

    public double Recent => Math.Max(_recent, _admitted);

    public void Admit(long amount) => _admitted += amount;

    /// <summary>Ends an interval.</summary>
    public void Pass() => (_recent, _admitted) = (QuotaPortions.Lately(_recent, _admitted), 0);

    /// <summary>Forgets the recent amount, because no requests will arrive.</summary>
    public void Rest() => (_recent, _admitted) = (0, 0);

    /// <summary>Releases the part of the claim that the next report doesn't ask for. Must precede the report, or two gateways could use that part.</summary>
    public void Report(long used, long requested)
    {
        Reported = (used, requested);
        if (kind != QuotaLimit.Requests)
            Held = Math.Min(Held, requested);
    }

    public void Apply(in QuotaGrant grant)
    {
        (OthersUsed, OthersSpent, Left) = (grant.OthersUsed, grant.OthersSpent, grant.Left);
        Held = kind == QuotaLimit.Requests ? Held + grant.Granted : grant.Granted;
    }
}
