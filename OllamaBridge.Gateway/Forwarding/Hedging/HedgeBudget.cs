using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Forwarding.Hedging;

/// <summary>Keeps second sendings a share of requests, so that a fleet which is slow for being busy does not become busier.</summary>
/// <remarks>A token bucket as <see cref="RetryBudget"/>, but empty at first: never more than the share of what has come.</remarks>
internal sealed class HedgeBudget(IOptions<HedgingOptions> options)
{
    // Millionths, so that fractions need no lock.
    private const long Unit = 1_000_000;
    private long _balance;

    /// <summary>A request has come that could be sent a second time.</summary>
    public void Deposit()
    {
        var (limit, deposit) = (options.Value.Burst * Unit, (long)(options.Value.MaxShare * Unit));
        while (Volatile.Read(ref _balance) is var balance && balance < limit)
            if (Interlocked.CompareExchange(ref _balance, Math.Min(limit, balance + deposit), balance) == balance)
                return;
    }

    /// <summary>Takes one sending out, if there is one.</summary>
    public bool TryWithdraw()
    {
        while (Volatile.Read(ref _balance) is var balance && balance >= Unit)
            if (Interlocked.CompareExchange(ref _balance, balance - Unit, balance) == balance)
                return true;
        return false;
    }

    /// <summary>Gives one back that was not needed.</summary>
    public void Return() => Interlocked.Add(ref _balance, Unit);
}
