using System.Collections.Concurrent;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Forwarding.Hedging;

/// <summary>Recent times to the first token by model, over the whole fleet. Responses that come in one piece are counted separately.</summary>
internal sealed class FirstTokenTimes(IOptions<HedgingOptions> options)
{
    public const int Remembered = 128;

    // More models than any fleet has; beyond it, all times are dropped.
    private const int MaxModels = 1024;
    private readonly ConcurrentDictionary<(string Model, bool IsWhole), Recent> _times = new();

    /// <summary>The time runs from sending to the first token, or to the end of a whole response. The model must have been in memory.</summary>
    public void Add(string model, bool isWhole, TimeSpan took)
    {
        if (!options.Value.Enabled)
            return;
        if (_times.Count >= MaxModels)
            _times.Clear();
        _times.GetOrAdd((model, isWhole), static _ => new Recent()).Add(took.Ticks);
    }

    /// <returns>Null if fewer than <paramref name="least"/> are known. <paramref name="part"/> is a share (0 to 1) of the recent responses.</returns>
    public TimeSpan? Within(string model, bool isWhole, double part, int least) =>
        _times.TryGetValue((model, isWhole), out var recent) ? recent.Within(part, least) : null;

    private sealed class Recent
    {
        private readonly Lock _lock = new();
        private readonly long[] _ticks = new long[Remembered];
        private long _count;

        public void Add(long ticks)
        {
            lock (_lock)
                _ticks[_count++ % Remembered] = ticks;
        }

        public TimeSpan? Within(double part, int least)
        {
            Span<long> sorted = stackalloc long[Remembered];
            lock (_lock)
            {
                if (_count < least)
                    return null;
                sorted = sorted[..(int)Math.Min(_count, Remembered)];
                _ticks.AsSpan(0, sorted.Length).CopyTo(sorted);
            }

            sorted.Sort();
            return TimeSpan.FromTicks(sorted[Math.Clamp((int)Math.Ceiling(part * sorted.Length) - 1, 0, sorted.Length - 1)]);
        }
    }
}
