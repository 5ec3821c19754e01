using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Quotas;

/// <summary>Counts the tenants' use of their limits.</summary>
/// <remarks>
/// Tokens are reserved when a request is admitted and settled when it ends. Therefore, whenever a request is admitted, the tokens spent in the
/// minute or day plus the tokens reserved for the requests in flight are within the limit.
/// </remarks>
internal interface IQuotaStore
{
    /// <summary>Reserves the request's share of all its limits, or of none.</summary>
    /// <param name="demand">The request's needs.</param>
    /// <param name="cancellationToken">Canceled when the client disconnects.</param>
    /// <returns>A lease. If it is not acquired, it has the limit that refused the request and the time to retry.</returns>
    /// <exception cref="OperationCanceledException">The client disconnected; nothing stays reserved.</exception>
    ValueTask<QuotaLease> AcquireAsync(QuotaDemand demand, CancellationToken cancellationToken);
}

/// <summary>A request's needs of its tenant's limits.</summary>
/// <param name="Tenant">The tenant's id.</param>
/// <param name="Limits">The tenant's limits for all models together.</param>
/// <param name="Model">Canonical model name.</param>
/// <param name="ModelLimits">The tenant's limits for this model; null if there are none.</param>
/// <param name="Tokens">Tokens to reserve; 0 for a request that uses none, which token limits don't refuse.</param>
/// <param name="FailClosed">Whether the request is refused if its limits cannot be checked with the other gateways.</param>
internal readonly record struct QuotaDemand(
    string Tenant, UsageLimits Limits, string Model, UsageLimits? ModelLimits, long Tokens, bool FailClosed = false);

internal enum QuotaLimit
{
    None,

    Requests,

    /// <summary>Concurrent requests.</summary>
    Concurrency,

    Minute,

    Day,

    /// <summary>Unknown: the shared state can't be reached, and the tenant fails closed.</summary>
    Unavailable,
}

/// <summary>The current level of a limit.</summary>
/// <remarks><paramref name="Reset"/> is the time until all of it is available again, if nothing more is used.</remarks>
internal readonly record struct QuotaLevel(long Limit, long Remaining, TimeSpan Reset)
{
    /// <summary>The level with less remaining.</summary>
    public static QuotaLevel? Tighter(QuotaLevel? a, QuotaLevel? b) =>
        a is not { } one ? b : b is not { } other || one.Remaining <= other.Remaining ? a : b;
}

/// <summary>The current levels of a tenant's limits; null for no limit.</summary>
/// <param name="Requests">Requests per second.</param>
/// <param name="Tokens">Tokens in a minute or a day, the limit with less remaining.</param>
internal readonly record struct QuotaLevels(QuotaLevel? Requests, QuotaLevel? Tokens);

/// <summary>The reason for refusing a request; the default if it is not refused.</summary>
/// <param name="Limit">The limit that refused it.</param>
/// <param name="Allowed">The limit's value.</param>
/// <param name="OfModel">Whether the limit is for this model only.</param>
/// <param name="RetryAfter">The time until a retry may succeed; null if the request needs more than the limit ever allows.</param>
internal readonly record struct QuotaRefusal(QuotaLimit Limit, double Allowed, bool OfModel, TimeSpan? RetryAfter);
