namespace OllamaBridge.Gateway.Quotas;

/// <summary>The reservation of a tenant's quota for a request. A feature of the HTTP context.</summary>
internal sealed class QuotaReservation
{
    public QuotaLease? Lease { get; set; }

    public long PromptEstimate { get; set; }
}
