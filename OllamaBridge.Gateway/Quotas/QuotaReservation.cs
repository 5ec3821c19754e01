namespace OllamaBridge.Gateway.Quotas;

/// <summary>The reservation of a tenant's quota for a request. A feature of the HTTP context.</summary>
internal sealed class QuotaReservation
{
    /// <summary>The lease until it is settled; null if none is held.</summary>
    public QuotaLease? Lease { get; set; }

    /// <summary>The estimated tokens of the prompt.</summary>
    public long PromptEstimate { get; set; }
}
