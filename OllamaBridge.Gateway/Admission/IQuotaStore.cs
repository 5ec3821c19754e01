using OllamaBridge.Gateway.Identity;

namespace OllamaBridge.Gateway.Admission;

/// <summary>Keeps count of what tenants have used up.</summary>
/// <remarks>
/// Tokens are reserved when a request is admitted and settled when it has ended. So what a tenant has spent in a minute or a day, together
/// with what is reserved for the requests in flight, is within its limit whenever one more is admitted.
/// </remarks>
internal interface IQuotaStore
{
    /// <summary>Takes what a request needs of all its limits, or of none.</summary>
    /// <param name="demand">What it needs.</param>
    /// <param name="cancellationToken">The client has gone.</param>
    /// <returns>A lease; one that is not acquired says which limit was in the way, and when to come back.</returns>
    /// <exception cref="OperationCanceledException">The client has gone; nothing stays taken.</exception>
    ValueTask<QuotaLease> AcquireAsync(QuotaDemand demand, CancellationToken cancellationToken);
}

/// <summary>What one request needs of its tenant's limits.</summary>
/// <param name="Tenant">Whose it is.</param>
/// <param name="Limits">What the tenant may use up altogether.</param>
/// <param name="Model">Canonical model name.</param>
/// <param name="ModelLimits">What it may use up of this model; null where that is not limited by itself.</param>
/// <param name="Tokens">Tokens to reserve; 0 for a request that can use none, which is not held back for want of tokens.</param>
/// <param name="FailClosed">Whether it is refused where its limits cannot be checked with other gateways.</param>
internal readonly record struct QuotaDemand(
    string Tenant, UsageLimits Limits, string Model, UsageLimits? ModelLimits, long Tokens, bool FailClosed = false);

/// <summary>A limit that a request can meet.</summary>
internal enum QuotaLimit
{
    /// <summary>None.</summary>
    None,

    /// <summary>Requests per second.</summary>
    Requests,

    /// <summary>Requests at a time.</summary>
    Concurrency,

    /// <summary>Tokens in a minute.</summary>
    Minute,

    /// <summary>Tokens in a day.</summary>
    Day,

    /// <summary>None that is known to be: whether there is room cannot be asked, and the tenant wants nobody let in then.</summary>
    Unavailable,
}

/// <summary>How far a limit is used up.</summary>
/// <param name="Limit">The limit.</param>
/// <param name="Remaining">What is left of it.</param>
/// <param name="Reset">When all of it will be there again, if nothing more is used.</param>
internal readonly record struct QuotaLevel(long Limit, long Remaining, TimeSpan Reset)
{
    /// <summary>The one of which less is left.</summary>
    public static QuotaLevel? Tighter(QuotaLevel? a, QuotaLevel? b) =>
        a is not { } one ? b : b is not { } other || one.Remaining <= other.Remaining ? a : b;
}

/// <summary>How far a tenant's limits are used up; null for what is not limited.</summary>
/// <param name="Requests">Requests per second.</param>
/// <param name="Tokens">Tokens in a minute or a day, whichever is closer to its end.</param>
internal readonly record struct QuotaLevels(QuotaLevel? Requests, QuotaLevel? Tokens);

/// <summary>Why a request was not admitted.</summary>
/// <param name="Limit">The limit in its way.</param>
/// <param name="Allowed">How much that is.</param>
/// <param name="OfModel">Whether it is one for this model alone.</param>
/// <param name="RetryAfter">When it may succeed; null for never: it needs more than there ever is.</param>
internal readonly record struct QuotaRefusal(QuotaLimit Limit, double Allowed, bool OfModel, TimeSpan? RetryAfter);
