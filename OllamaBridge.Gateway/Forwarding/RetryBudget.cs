using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Limits retries to a share of the requests: each adds a fraction of a retry, each retry takes one (like Finagle's RetryBudget).</summary>
internal sealed class RetryBudget(IOptions<ForwardingOptions> options)
{
    // Thousandths of a retry, so that fractions need no lock.
    private const long Unit = 1000;
    private long _balance = options.Value.RetryBurst * Unit;

    private long Limit => options.Value.RetryBurst * Unit;

    /// <summary>False if retries are disabled.</summary>
    public bool IsEmpty => Limit >= Unit && Volatile.Read(ref _balance) < Unit;

    public void Deposit()
    {
        if (Volatile.Read(ref _balance) < Limit)
            Interlocked.Add(ref _balance, (long)(options.Value.RetryRatio * Unit));
    }

    public void Return(int retries)
    {
        if (Interlocked.Add(ref _balance, retries * Unit) > Limit)
            Volatile.Write(ref _balance, Limit);
    }

    public bool TryWithdraw()
    {
        if (Interlocked.Add(ref _balance, -Unit) >= 0)
            return true;
        Interlocked.Add(ref _balance, Unit);
        return false;
    }
}
