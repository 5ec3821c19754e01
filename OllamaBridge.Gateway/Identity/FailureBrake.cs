using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Identity;

/// <summary>Slows whoever guesses keys, by address: each wrong key makes the answer to the next wrong one later.</summary>
internal sealed class FailureBrake(TimeProvider time)
{
    // Wrong keys that cost nothing: a typing error, a key that was rotated.
    private const int Free = 3;
    private const int MaxAddresses = 10_000;
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(3200);
    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(1);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, (int Failures, long Last)> _addresses = new(StringComparer.Ordinal);

    /// <summary>Notes a wrong key.</summary>
    /// <param name="address">Whence it came.</param>
    /// <returns>How long to let the answer wait: 0 to 3.2 s.</returns>
    public TimeSpan Fail(string address)
    {
        var now = time.GetTimestamp();
        lock (_gate)
        {
            if (!_addresses.TryGetValue(address, out var seen) || time.GetElapsedTime(seen.Last, now) > Memory)
                seen = default;
            if (_addresses.Count >= MaxAddresses && !_addresses.ContainsKey(address))
                Forget(now);
            var failures = seen.Failures + 1;
            _addresses[address] = (failures, now);
            return failures <= Free ? TimeSpan.Zero : Backoff.Next(First, Longest, failures - Free - 1);
        }
    }

    // Many addresses at once are somebody with many addresses: what is remembered stays bounded.
    private void Forget(long now)
    {
        foreach (var (address, (_, last)) in _addresses)
            if (time.GetElapsedTime(last, now) > Memory)
                _addresses.Remove(address);
        if (_addresses.Count >= MaxAddresses)
            _addresses.Clear();
    }
}
