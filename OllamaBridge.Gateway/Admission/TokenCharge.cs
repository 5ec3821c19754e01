namespace OllamaBridge.Gateway.Admission;

/// <summary>What one token costs on a virtual counter.</summary>
/// <param name="Input">A token of the prompt: the paper's wp.</param>
/// <param name="Output">A token of the answer: the paper's wq.</param>
internal readonly record struct TokenPrices(double Input, double Output);

/// <summary>What a request was charged when it was admitted; settled when its answer has told what it really took.</summary>
/// <param name="Counters">The counters of its model and class; null where nothing was charged.</param>
/// <param name="Counter">Its tenant's.</param>
/// <param name="Prices">What tokens cost.</param>
/// <param name="Weight">Its tenant's weight then.</param>
/// <param name="InputTokens">The estimate of the prompt that was charged.</param>
/// <param name="OutputTokens">The estimate of the answer that was charged.</param>
internal readonly record struct TokenCharge(
    VirtualCounters? Counters, TenantCounter? Counter, TokenPrices Prices, double Weight, long InputTokens, double OutputTokens)
{
    /// <summary>Whether anything is to be settled.</summary>
    public bool IsMade => Counters is not null;

    /// <summary>What a prompt costs its tenant's counter.</summary>
    public static double Cost(long inputTokens, in TokenPrices prices, double weight) => inputTokens * prices.Input / weight;

    /// <summary>Corrects the charge to what the answer took. To be called once.</summary>
    /// <param name="answered">Whether an instance answered; if not, everything is given back.</param>
    /// <param name="inputTokens">As the instance counted them; 0 where it did not say: the estimate stands.</param>
    /// <param name="outputTokens">As the instance counted them, or as far as it came.</param>
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
