using System.Diagnostics.CodeAnalysis;
using System.Threading.RateLimiting;

namespace OllamaBridge.Gateway.Quotas;

/// <summary>A request's reservation of its tenant's limits, until it is settled, and their levels with it; or the reason for its refusal.</summary>
internal class QuotaLease(QuotaRefusal refusal, QuotaLevels levels) : RateLimitLease
{
    private int _settled;

    public QuotaRefusal Refusal => refusal;

    public QuotaLevels Levels => levels;

    public override bool IsAcquired => refusal.Limit == QuotaLimit.None;

    public override IEnumerable<string> MetadataNames => refusal.RetryAfter is null ? [] : [MetadataName.RetryAfter.Name];

    public override bool TryGetMetadata(string metadataName, [NotNullWhen(true)] out object? metadata)
    {
        metadata = metadataName == MetadataName.RetryAfter.Name ? refusal.RetryAfter : null;
        return metadata is not null;
    }

    /// <summary>Replaces the reserved tokens by the used ones; a negative number counts as 0. Only the first call has an effect.</summary>
    public void Settle(long tokens)
    {
        if (IsAcquired && Interlocked.Exchange(ref _settled, 1) == 0)
            Return(Math.Max(0, tokens));
    }

    /// <summary>Settles the reservation in the store. Must not block: it is called at the end of a request.</summary>
    protected virtual void Return(long tokens)
    {
    }

    /// <summary>Settles an unsettled lease with 0 tokens.</summary>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            Settle(0);
    }
}
