using System.Collections.Concurrent;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Forwarding.Liveness;

/// <summary>How long models take to load, learned from requests that had to wait for it.</summary>
internal sealed class LoadTimes(IOptions<LivenessOptions> options)
{
    // A slower load counts at once, faster ones pull the value down gradually.
    private const double RecentWeight = 0.2;
    // More models than a fleet has; beyond that everything is learned again.
    private const int MaxModels = 1024;
    private LivenessOptions Settings => options.Value;
    private readonly ConcurrentDictionary<string, Record> _models = new(StringComparer.Ordinal);
    private double _secondsPerByte = double.NaN;

    /// <summary>Takes in one load.</summary>
    /// <param name="model">Canonical name.</param>
    /// <param name="bytes">The model's size on disk; 0 if unknown.</param>
    /// <param name="took">From sending the request to the end of the load.</param>
    public void Add(string model, long bytes, TimeSpan took)
    {
        if (_models.Count >= MaxModels)
            _models.Clear();
        _models.AddOrUpdate(
            model,
            static (_, seconds) => new Record(seconds, 0),
            static (_, known, seconds) => new Record(Blend(known.Seconds, seconds), 0),
            took.TotalSeconds);
        if (bytes > 0)
            Volatile.Write(ref _secondsPerByte, Blend(Volatile.Read(ref _secondsPerByte), took.TotalSeconds / bytes));
    }

    /// <summary>A load was given up: if it was merely slow, the next must not be given up as early.</summary>
    /// <param name="model">Canonical name.</param>
    /// <param name="after">After this time.</param>
    public void AddGivenUp(string model, TimeSpan after) => _models.AddOrUpdate(
        model,
        static (_, seconds) => new Record(double.NaN, seconds),
        static (_, known, seconds) => known with { GivenUpAfter = Math.Max(known.GivenUpAfter, seconds) },
        after.TotalSeconds);

    /// <summary>How long a load usually takes.</summary>
    /// <param name="model">Canonical name.</param>
    /// <param name="bytes">The model's size on disk; 0 if unknown.</param>
    public TimeSpan Usual(string model, long bytes)
    {
        var seconds = _models.TryGetValue(model, out var known) && !double.IsNaN(known.Seconds) ? known.Seconds
            : Volatile.Read(ref _secondsPerByte) is var rate && !double.IsNaN(rate) ? rate * bytes
            : bytes / (double)Settings.AssumedLoadRate;
        return TimeSpan.FromSeconds(Math.Min(seconds, 86_400));
    }

    /// <summary>When a load counts as hung.</summary>
    /// <param name="model">Canonical name.</param>
    /// <param name="bytes">The model's size on disk; 0 if unknown.</param>
    public TimeSpan Limit(string model, long bytes)
    {
        var seconds = Math.Max(Settings.MinLoadTimeout.TotalSeconds, Usual(model, bytes).TotalSeconds * Settings.LoadTimeFactor);
        if (_models.TryGetValue(model, out var known))
            seconds = Math.Max(seconds, known.GivenUpAfter * 2);
        return TimeSpan.FromSeconds(Math.Min(seconds, 86_400));
    }

    private static double Blend(double known, double sample) => double.IsNaN(known) ? sample : Math.Max(sample, known + (RecentWeight * (sample - known)));

    private readonly record struct Record(double Seconds, double GivenUpAfter);
}
