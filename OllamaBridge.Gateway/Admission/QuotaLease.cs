using System.Diagnostics.CodeAnalysis;
using System.Threading.RateLimiting;

namespace OllamaBridge.Gateway.Admission;

/// <summary>What a request holds of its tenant's limits, until it is settled; or why it holds nothing.</summary>
/// <param name="refusal">Why it holds nothing; its default where it holds what it asked for.</param>
/// <param name="levels">How far the limits are used up, what it holds included.</param>
internal class QuotaLease(QuotaRefusal refusal, QuotaLevels levels) : RateLimitLease
{
    private int _settled;

    /// <summary>Why it holds nothing.</summary>
    public QuotaRefusal Refusal => refusal;

    /// <summary>How far the limits are used up, what it holds included.</summary>
    public QuotaLevels Levels => levels;

    /// <inheritdoc/>
    public override bool IsAcquired => refusal.Limit == QuotaLimit.None;

    /// <inheritdoc/>
    public override IEnumerable<string> MetadataNames => refusal.RetryAfter is null ? [] : [MetadataName.RetryAfter.Name];

    /// <inheritdoc/>
    public override bool TryGetMetadata(string metadataName, [NotNullWhen(true)] out object? metadata)
    {
        metadata = metadataName == MetadataName.RetryAfter.Name ? refusal.RetryAfter : null;
        return metadata is not null;
    }

    /// <summary>Gives back what was reserved and takes what was used. Only the first call counts.</summary>
    /// <param name="tokens">Tokens used.</param>
    public void Settle(long tokens)
    {
        if (IsAcquired && Interlocked.Exchange(ref _settled, 1) == 0)
            Return(Math.Max(0, tokens));
    }

    /// <summary>Tells the store. Must not wait: it is called on the way out of a request.</summary>
    /// <param name="tokens">Tokens used.</param>
    protected virtual void Return(long tokens)
    {
    }

    /// <summary>A lease that nobody has settled has used nothing.</summary>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            Settle(0);
    }
}
