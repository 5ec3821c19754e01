using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Forwarding.Hedging;

/// <summary>Limits hedged attempts to a share of the earlier requests: a token bucket like <see cref="RetryBudget"/>, but empty at first.</summary>
internal sealed class HedgeBudget(IOptions<HedgingOptions> options)
{
    // In millionths, so that fractions need no lock.
    private const long Unit = 1_000_000;
    private long _balance;

    public void Deposit()
    {
        var (limit, deposit) = (options.Value.Burst * Unit, (long)(options.Value.MaxShare * Unit));
        while (Volatile.Read(ref _balance) is var balance && balance < limit)
            if (Interlocked.CompareExchange(ref _balance, Math.Min(limit, balance + deposit), balance) == balance)
                return;
    }

    public bool TryWithdraw()
    {
        while (Volatile.Read(ref _balance) is var balance && balance >= Unit)
            if (Interlocked.CompareExchange(ref _balance, balance - Unit, balance) == balance)
                return true;
        return false;
    }

    public void Return() => Interlocked.Add(ref _balance, Unit);
}
