using System.Collections.Concurrent;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Forwarding.Hedging;

/// <summary>How long models' first tokens took lately, over the whole fleet; and apart from those, their answers that come in one piece.</summary>
internal sealed class FirstTokenTimes(IOptions<HedgingOptions> options)
{
    /// <summary>Times that are remembered for each model.</summary>
    public const int Remembered = 128;

    // More than any fleet has models; beyond, all is forgotten.
    private const int MaxModels = 1024;
    private readonly ConcurrentDictionary<(string Model, bool IsWhole), Recent> _times = new();

    /// <summary>Takes in one, of a model that was in memory. Nothing where nobody wants to know.</summary>
    /// <param name="model">The model's canonical name.</param>
    /// <param name="isWhole">Whether the answer came in one piece.</param>
    /// <param name="took">From its sending.</param>
    public void Add(string model, bool isWhole, TimeSpan took)
    {
        if (!options.Value.Enabled)
            return;
        if (_times.Count >= MaxModels)
            _times.Clear();
        _times.GetOrAdd((model, isWhole), static _ => new Recent()).Add(took.Ticks);
    }

    /// <summary>The time within which a part of the recent ones came.</summary>
    /// <param name="model">The model's canonical name.</param>
    /// <param name="isWhole">Whether the answer comes in one piece.</param>
    /// <param name="part">The part, from 0 to 1.</param>
    /// <param name="least">How many must be known.</param>
    /// <returns>Null where fewer are.</returns>
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
