using System.Collections.Concurrent;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Resumption.Liveness;

/// <summary>Learns how long models take to load from requests that waited for it.</summary>
internal sealed class LoadTimes(IOptions<LivenessOptions> options)
{
    // A slower load counts at once. Faster ones lower the value gradually.
    private const double RecentWeight = 0.2;
    // More models than a fleet has. Above that all values are learned again.
    private const int MaxModels = 1024;
    private LivenessOptions Settings => options.Value;
    private readonly ConcurrentDictionary<string, Record> _models = new(StringComparer.Ordinal);
    private double _secondsPerByte = double.NaN;

    /// <param name="bytes">The model's size on disk; 0 if unknown.</param>
    /// <param name="took">From sending the request to the end of the load.</param>
    public void Add(string model, long bytes, TimeSpan took)
    {
        if (_models.Count >= MaxModels)
            _models.Clear();
        _models.AddOrUpdate(
            model,
            static (_, seconds) => new Record(seconds, default, default),
            static (_, known, seconds) => new Record(Blend(known.Seconds, seconds), default, default),
            took.TotalSeconds);
        if (bytes > 0)
            Volatile.Write(ref _secondsPerByte, Blend(Volatile.Read(ref _secondsPerByte), took.TotalSeconds / bytes));
    }

    /// <summary>The next load gets more time if this one was only slow. Times are in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</summary>
    public void AddGivenUp(string model, long startedAt, long at, TimeSpan after)
    {
        var sample = new GivenUp(at, after.TotalSeconds);
        _models.AddOrUpdate(
            model,
            static (_, s) => new Record(double.NaN, s.Sample, default),
            // Requests that wait for one load are given up one after another. None of them may get more time than the first.
            static (_, known, s) => s.StartedAt > known.Last.At ? known with { Last = s.Sample, Before = known.Last } : known,
            (Sample: sample, StartedAt: startedAt));
    }

    /// <param name="bytes">The model's size on disk; 0 if unknown.</param>
    public TimeSpan Usual(string model, long bytes)
    {
        var seconds = _models.TryGetValue(model, out var known) && !double.IsNaN(known.Seconds) ? known.Seconds
            : Volatile.Read(ref _secondsPerByte) is var rate && !double.IsNaN(rate) ? rate * bytes
            : bytes / (double)Settings.AssumedLoadRate;
        return TimeSpan.FromSeconds(Math.Min(seconds, 86_400));
    }

    /// <param name="startedAt">In <see cref="TimeProvider.GetTimestamp"/>'s ticks.</param>
    public TimeSpan Limit(string model, long bytes, long startedAt)
    {
        var seconds = Math.Max(Settings.MinLoadTimeout.TotalSeconds, Usual(model, bytes).TotalSeconds * Settings.LoadTimeFactor);
        if (_models.TryGetValue(model, out var known))
            seconds = Math.Max(seconds, (startedAt > known.Last.At ? known.Last : known.Before).Seconds * 2);
        return TimeSpan.FromSeconds(Math.Min(seconds, 86_400));
    }

    private static double Blend(double known, double sample) => double.IsNaN(known) ? sample : Math.Max(sample, known + (RecentWeight * (sample - known)));

    private readonly record struct Record(double Seconds, GivenUp Last, GivenUp Before);

    private readonly record struct GivenUp(long At, double Seconds);
}
