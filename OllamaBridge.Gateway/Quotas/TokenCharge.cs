namespace OllamaBridge.Gateway.Quotas;

/// <summary>The cost of a token on a virtual counter.</summary>
/// <param name="Input">The cost of a prompt token: wp in the paper.</param>
/// <param name="Output">The cost of a response token: wq in the paper.</param>
internal readonly record struct TokenPrices(double Input, double Output);

/// <summary>The charge for an admitted request, settled when the response reports the tokens used.</summary>
/// <remarks>
/// <paramref name="Counters"/> is null if the request was not charged. The tokens are the charged estimates, <paramref name="Weight"/> is the
/// tenant's weight at the time of the charge.
/// </remarks>
internal readonly record struct TokenCharge(
    VirtualCounters? Counters, TenantCounter? Counter, TokenPrices Prices, double Weight, long InputTokens, double OutputTokens)
{
    public bool IsMade => Counters is not null;

    /// <summary>The cost of a prompt on its tenant's counter.</summary>
    public static double Cost(long inputTokens, in TokenPrices prices, double weight) => inputTokens * prices.Input / weight;

    /// <summary>Corrects the charge to the actual tokens. Call it once.</summary>
    /// <param name="answered">Whether an instance responded; if not, the charge is refunded.</param>
    /// <param name="inputTokens">As counted by the instance; 0 if it reported none, and the estimate remains.</param>
    /// <param name="outputTokens">As counted by the instance, or the tokens up to the interruption.</param>
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
