using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Tenants;

/// <summary>Delays responses to wrong keys, by client address: each wrong key lengthens the delay of the next one.</summary>
internal sealed class FailedLoginThrottle(TimeProvider time)
{
    // Wrong keys without a delay: for typing errors and rotated keys.
    private const int Free = 3;
    private const int MaxAddresses = 10_000;
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(3200);
    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(1);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, (int Failures, long Last)> _addresses = new(StringComparer.Ordinal);

    /// <summary>Counts a wrong key of <paramref name="address"/> and returns the delay of the response: 0 to 3.2 s.</summary>
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

    // Bounds memory: many addresses at once may belong to one attacker.
    private void Forget(long now)
    {
        foreach (var (address, (_, last)) in _addresses)
            if (time.GetElapsedTime(last, now) > Memory)
                _addresses.Remove(address);
        if (_addresses.Count >= MaxAddresses)
            _addresses.Clear();
    }
}
