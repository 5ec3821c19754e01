using System.Collections.Immutable;

namespace OllamaBridge.Gateway.Quotas;

/// <summary>Divides the tenants' limits among the gateways. Called in the background, and if a gateway's own claim does not suffice for a request.</summary>
internal interface IQuotaShares
{
    bool IsShared { get; }

    /// <summary>How long a request waits for a response of the store.</summary>
    TimeSpan Timeout { get; }

    /// <summary>Reports this gateway's use, and claims up to the amount that others have not claimed. The reported use is always claimed. Atomic.</summary>
    /// <returns>Null if the store did not respond in time, or already has a newer report of this gateway.</returns>
    ValueTask<QuotaResult?> ExchangeAsync(QuotaReport report, CancellationToken cancellationToken);
}

/// <summary>One gateway's report of its use of one tenant's limits.</summary>
/// <param name="Gateway">The gateway's name, which no other process has or had.</param>
/// <param name="Tenant">The tenant; empty for a report that only registers the gateway and counts the others.</param>
/// <param name="Sequence">A number higher than in any earlier report of this gateway.</param>
/// <param name="Acknowledged">The sequence number of this tenant's latest report that got a response; 0 for none.</param>
/// <param name="Since">The mark of that response. A newer mark in the store shows that a loss of data has already been noticed.</param>
/// <param name="Day">The current day, in days since 0001-01-01 (UTC).</param>
internal sealed record QuotaReport(
    string Gateway, string Tenant, long Sequence, long Acknowledged, long Since, TimeSpan Timeout, long Day, ImmutableArray<QuotaUse> Uses)
{
    /// <summary>How long tokens of a minute stay claimed after the last report: while the gateway may spend them, and until the last is a minute old.</summary>
    public TimeSpan MinuteLifetime => (2 * QuotaCounter.Minute) + Timeout;
}

/// <summary>A gateway's use of one limit.</summary>
/// <param name="Model">Canonical name of the limited model; empty for all models together.</param>
/// <param name="Limit">The limit over all gateways; a rate for requests per second.</param>
/// <param name="Used">Requests in flight, or tokens spent and reserved. For requests per second: permits given back.</param>
/// <param name="Spent">Tokens spent, which are part of <paramref name="Used"/>.</param>
/// <param name="Requested">The amount that it wants to claim, including <paramref name="Used"/>. For requests per second: permits wanted.</param>
/// <param name="RequestedCarefully">The amount to claim while some gateways may not have reported their use yet.</param>
internal readonly record struct QuotaUse(QuotaLimit Kind, string Model, double Limit, long Used, long Spent, long Requested, long RequestedCarefully);

/// <summary>The store's response to a report.</summary>
/// <param name="Since">The time since which the store has lost no data, as far as known. It changes after a loss.</param>
/// <param name="IsCareful">Whether some gateways may not have reported their use yet.</param>
/// <param name="Grants">One grant per reported use, in the same order.</param>
internal sealed record QuotaResult(long Since, int Gateways, bool IsCareful, ImmutableArray<QuotaGrant> Grants);

/// <summary>A gateway's share of one limit.</summary>
/// <param name="Granted">The amount that it may use. For requests per second: additional permits.</param>
/// <param name="Left">Permits of requests per second that no gateway has.</param>
internal readonly record struct QuotaGrant(long Granted, long OthersUsed, long OthersSpent, double Left);
