namespace OllamaBridge.Gateway.Quotas;

/// <summary>The costs of a prompt token and a response token on a virtual counter: wp and wq in the paper.</summary>
internal readonly record struct TokenPrices(double Input, double Output);

/// <summary>Estimates, settled when the request ends. <paramref name="Counters"/> is null if the request was not charged.</summary>
internal readonly record struct TokenCharge(
    VirtualCounters? Counters, TenantCounter? Counter, TokenPrices Prices, double Weight, long InputTokens, double OutputTokens)
{
    public bool IsMade => Counters is not null;

    public static double Cost(long inputTokens, in TokenPrices prices, double weight) => inputTokens * prices.Input / weight;

    /// <summary>Corrects the charge; refunds it if no instance responded. Call it once. If <paramref name="inputTokens"/> is 0, the estimate remains.</summary>
    public void Settle(bool answered, long inputTokens, long outputTokens)
    {
        if (Counters is null || Counter is null)
            return;
        var input = !answered ? 0 : inputTokens > 0 ? inputTokens : InputTokens;
        var output = answered ? outputTokens : 0;
        Counters.Settle(
            Counter,
            (((input - InputTokens) * Prices.Input) + ((output - OutputTokens) * Prices.Output)) / Weight,
            answered ? outputTokens : null);
    }
}
