using System.Collections.Immutable;

namespace OllamaBridge.Gateway.Admission;

/// <summary>Where gateways divide what tenants may use up. Asked in the background, and where a gateway's own part does not suffice.</summary>
internal interface IQuotaShares
{
    /// <summary>Whether other gateways can be here at all.</summary>
    bool IsShared { get; }

    /// <summary>
    /// Says what this gateway has used of one tenant's limits and is granted what it asks for, as far as others have not claimed it, as one
    /// step. What it has used is its claim in any case.
    /// </summary>
    /// <returns>Null where nobody answered in time, or something newer was said already.</returns>
    ValueTask<QuotaAnswer?> ExchangeAsync(QuotaReport report, CancellationToken cancellationToken);
}

/// <summary>What one gateway says of one tenant.</summary>
/// <param name="Gateway">Which: a name that no other process has or had.</param>
/// <param name="Tenant">Whose limits; empty for nobody's, to be seen and to see who is there.</param>
/// <param name="Sequence">Higher than in any report of this gateway before.</param>
/// <param name="Acknowledged">The latest of this tenant's that was answered; 0 for none.</param>
/// <param name="Since">The mark of that answer: with a newer one it is known already that something was forgotten.</param>
/// <param name="Timeout">How long a gateway of which nothing is heard still counts.</param>
/// <param name="Day">Today, in days since 0001-01-01 (UTC).</param>
/// <param name="Uses">What is limited, and what it has of that.</param>
internal sealed record QuotaReport(
    string Gateway, string Tenant, long Sequence, long Acknowledged, long Since, TimeSpan Timeout, long Day, ImmutableArray<QuotaUse> Uses)
{
    /// <summary>How long tokens of a minute stay claimed of which nothing is heard: as long as their gateway may go on spending them, and
    /// until the last of those is a minute old.</summary>
    public TimeSpan MinuteLifetime => (2 * QuotaCounter.Minute) + Timeout;
}

/// <summary>A gateway's use of one limit.</summary>
/// <param name="Kind">Which.</param>
/// <param name="Model">Canonical name of the model that it is for; empty for all together.</param>
/// <param name="Limit">How much there is for all gateways; a rate for requests per second.</param>
/// <param name="Used">Requests in flight, or tokens spent and reserved. Of requests per second: permits given back.</param>
/// <param name="Spent">Tokens spent, of those.</param>
/// <param name="Asked">How much it wants to be free to use, <paramref name="Used"/> included. Of requests per second: permits wanted.</param>
/// <param name="AskedCarefully">The same while it is not sure that all who have something have said so.</param>
internal readonly record struct QuotaUse(QuotaLimit Kind, string Model, double Limit, long Used, long Spent, long Asked, long AskedCarefully);

/// <summary>What all have.</summary>
/// <param name="Since">Since when nothing was forgotten there, as far as anybody knows: a mark that changes when something was.</param>
/// <param name="Gateways">How many gateways are there.</param>
/// <param name="IsCareful">Whether some who have something may not have said so yet.</param>
/// <param name="Grants">For each use that was told, in the same order.</param>
internal sealed record QuotaAnswer(long Since, int Gateways, bool IsCareful, ImmutableArray<QuotaGrant> Grants);

/// <summary>What a gateway has of one limit.</summary>
/// <param name="Granted">How much it may use; of requests per second, how many more.</param>
/// <param name="OthersUsed">What others have used.</param>
/// <param name="OthersSpent">Tokens that others have spent, of those.</param>
/// <param name="Left">Permits of requests per second that nobody has.</param>
internal readonly record struct QuotaGrant(long Granted, long OthersUsed, long OthersSpent, double Left);
