using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Quotas;

/// <summary>Counts the tenants' use of their limits. Tokens are reserved at admission and settled at the end, so that the spent tokens plus those reserved for
/// requests in flight are within the limit at each admission.</summary>
internal interface IQuotaStore
{
    /// <summary>Reserves the request's share of all its limits, or of none. After a cancellation nothing stays reserved.</summary>
    ValueTask<QuotaLease> AcquireAsync(QuotaDemand demand, CancellationToken cancellationToken);
}

/// <summary>A request's needs of its tenant's limits.</summary>
/// <param name="Tokens">Tokens to reserve; 0 for a request that uses none, which token limits don't refuse.</param>
/// <param name="FailClosed">Whether the request is refused if its limits cannot be checked with the other gateways.</param>
internal readonly record struct QuotaDemand(
    string Tenant, UsageLimits Limits, string Model, UsageLimits? ModelLimits, long Tokens, bool FailClosed = false);

internal enum QuotaLimit
{
    None,

    Requests,

    Concurrency,

    Minute,

    Day,

    /// <summary>Unknown: the shared state can't be reached, and the tenant fails closed.</summary>
    Unavailable,
}

/// <summary>The current level of a limit. <paramref name="Reset"/> is the time until all of it is available again, if nothing more is used.</summary>
internal readonly record struct QuotaLevel(long Limit, long Remaining, TimeSpan Reset)
{
    public static QuotaLevel? Tighter(QuotaLevel? a, QuotaLevel? b) =>
        a is not { } one ? b : b is not { } other || one.Remaining <= other.Remaining ? a : b;
}

/// <summary>The current levels of a tenant's limits: requests per second; tokens in a minute or a day, the limit with less remaining.</summary>
internal readonly record struct QuotaLevels(QuotaLevel? Requests, QuotaLevel? Tokens);

/// <summary>The default for no refusal. <paramref name="RetryAfter"/> is null if the request needs more than the limit ever allows.</summary>
internal readonly record struct QuotaRefusal(QuotaLimit Limit, double Allowed, bool OfModel, TimeSpan? RetryAfter);
