using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Keeps retries a share of requests, so that a failing fleet is not also a busier one.</summary>
/// <remarks>A token bucket: each request puts in a fraction, each retry takes one out (as Finagle's RetryBudget).</remarks>
internal sealed class RetryBudget(IOptions<ForwardingOptions> options)
{
    // Thousandths of a retry, so that fractions need no lock.
    private const long Unit = 1000;
    private long _balance = options.Value.RetryBurst * Unit;

    private long Limit => options.Value.RetryBurst * Unit;

    /// <summary>Whether there is no retry left at the moment; false where there never is one.</summary>
    public bool IsEmpty => Limit >= Unit && Volatile.Read(ref _balance) < Unit;

    /// <summary>A request has come.</summary>
    public void Deposit()
    {
        if (Volatile.Read(ref _balance) < Limit)
            Interlocked.Add(ref _balance, (long)(options.Value.RetryRatio * Unit));
    }

    /// <summary>Puts retries back that were taken out for a request that fails everywhere.</summary>
    public void Return(int retries)
    {
        if (Interlocked.Add(ref _balance, retries * Unit) > Limit)
            Volatile.Write(ref _balance, Limit);
    }

    /// <summary>Takes one retry out, if there is one.</summary>
    public bool TryWithdraw()
    {
        if (Interlocked.Add(ref _balance, -Unit) >= 0)
            return true;
        Interlocked.Add(ref _balance, Unit);
        return false;
    }
}
