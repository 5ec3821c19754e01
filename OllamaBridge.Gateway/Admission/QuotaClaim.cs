namespace OllamaBridge.Gateway.Admission;

/// <summary>What a gateway wants of one limit.</summary>
/// <param name="Limit">How much there is for all.</param>
/// <param name="Used">What it has used.</param>
/// <param name="Pending">What those need that wait for an answer.</param>
/// <param name="Recent">What it has admitted lately.</param>
/// <param name="OthersUsed">What others have used, as far as known.</param>
/// <param name="Gateways">How many gateways are there.</param>
internal readonly record struct QuotaWish(long Limit, long Used, long Pending, double Recent, long OthersUsed, int Gateways);

/// <summary>How gateways divide what there is of a limit. Pure.</summary>
internal static class QuotaPortions
{
    // A wish that is no longer renewed becomes none: below this nobody has come for a while.
    private const double Least = 0.25;
    private const double Decay = 0.8;

    /// <summary>How much to ask for: what is used and what is needed, and room for twice what came lately.</summary>
    /// <remarks>
    /// The room is never more than this gateway's part of half of what is left: where little is left nobody keeps what another needs, and
    /// what is left is counted one by one.
    /// </remarks>
    public static long Ask(in QuotaWish wish)
    {
        var needed = wish.Used + wish.Pending;
        var left = Math.Max(0, wish.Limit - wish.OthersUsed - needed);
        var room = Math.Min((long)Math.Ceiling(2 * wish.Recent), left / (2 * Math.Max(1, wish.Gateways)));
        return Math.Max(wish.Used, Math.Min(wish.Limit, needed + room));
    }

    /// <summary>What is granted of what others have not claimed. What is used stays claimed in any case.</summary>
    /// <param name="limit">How much there is.</param>
    /// <param name="used">What the gateway has used.</param>
    /// <param name="asked">What it asks for.</param>
    /// <param name="others">What others have claimed.</param>
    public static long Grant(long limit, long used, long asked, long others) => Math.Max(0, Math.Max(used, Math.Min(asked, limit - others)));

    /// <summary>A gateway's part where nobody can be asked: an even one, one at least.</summary>
    public static long EvenShare(long limit, int gateways) => Math.Max(1, limit / Math.Max(1, gateways));

    /// <summary>What came lately, once an interval has passed in which so much came.</summary>
    public static double Lately(double before, long now) => Math.Max(now, before * Decay) is >= Least and var recent ? recent : 0;
}

/// <summary>What this gateway may use of one limit without asking. Not thread-safe: its tenant's lock guards it.</summary>
/// <param name="kind">Which limit.</param>
internal sealed class QuotaClaim(QuotaLimit kind)
{
    private double _recent;
    private long _admitted;

    /// <summary>Which limit.</summary>
    public QuotaLimit Kind => kind;

    /// <summary>How much it may use; of requests per second, how many permits it has.</summary>
    public long Held { get; set; }

    /// <summary>What others have used, as was heard last.</summary>
    public long OthersUsed { get; private set; }

    /// <summary>Tokens that others have spent, of those.</summary>
    public long OthersSpent { get; private set; }

    /// <summary>Permits that nobody had, as was heard last.</summary>
    public double Left { get; private set; }

    /// <summary>What was said last: used, and asked for.</summary>
    public (long Used, long Asked) Said { get; private set; }

    /// <summary>What has been admitted lately.</summary>
    public double Recent => Math.Max(_recent, _admitted);

    /// <summary>Something is admitted.</summary>
    public void Admit(long amount) => _admitted += amount;

    /// <summary>An interval has passed.</summary>
    public void Pass() => (_recent, _admitted) = (QuotaPortions.Lately(_recent, _admitted), 0);

    /// <summary>Nobody comes any more.</summary>
    public void Rest() => (_recent, _admitted) = (0, 0);

    /// <summary>Gives up what is not asked for, before that is said: nobody may count on it twice.</summary>
    public void Say(long used, long asked)
    {
        Said = (used, asked);
        if (kind != QuotaLimit.Requests)
            Held = Math.Min(Held, asked);
    }

    /// <summary>An answer.</summary>
    public void Hear(in QuotaGrant grant)
    {
        (OthersUsed, OthersSpent, Left) = (grant.OthersUsed, grant.OthersSpent, grant.Left);
        Held = kind == QuotaLimit.Requests ? Held + grant.Granted : grant.Granted;
    }
}
