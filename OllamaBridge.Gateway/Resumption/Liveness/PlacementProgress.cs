using System.Collections.Concurrent;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Resumption.Liveness;

/// <summary>Bytes of another response of the same route show that route and engine work. Used by one loop only, except for <see cref="AddEnded"/>.</summary>
internal sealed class PlacementProgress(TimeProvider time)
{
    // A slow GPU and the usual length of a token, until both are learned.
    private const double AssumedTokensPerSecond = 300;
    private const double AssumedBytesPerToken = 4;
    // The approximate tokens of an image.
    private const long ImageBytes = 4096;
    // Older ends are no evidence any more.
    private static readonly TimeSpan Remembered = TimeSpan.FromMinutes(1);
    private readonly ConcurrentDictionary<(PlacementState Placement, Operation Operation), long> _ended = new();
    private readonly Dictionary<(PlacementState Placement, Operation Operation), long> _moved = [];
    private readonly Dictionary<PlacementState, long> _promptBytes = [];
    private IEnumerable<StreamedAttempt> _attempts = [];
    private bool _isGathered;
    private long _nextSweep;

    public void Begin(IEnumerable<StreamedAttempt> attempts)
    {
        _attempts = attempts;
        _isGathered = false;
    }

    /// <summary>Thread-safe.</summary>
    public void AddEnded(StreamedAttempt attempt) => _ended[Key(attempt)] = time.GetTimestamp();

    /// <param name="now">In <see cref="TimeProvider.GetTimestamp"/>'s ticks.</param>
    public bool HasMoved(StreamedAttempt attempt, TimeSpan within, long now)
    {
        Gather();
        var key = Key(attempt);
        var at = Math.Max(_moved.GetValueOrDefault(key), _ended.GetValueOrDefault(key));
        // Its own last bytes precede its silence.
        return at > attempt.Timeline.LastByteAt && at > attempt.Timeline.SentAt && time.GetElapsedTime(at, Math.Max(at, now)) < within;
    }

    /// <summary>The expected evaluation time of the prompts that the instance holds for the model without a response.</summary>
    public TimeSpan ExpectedPrefill(PlacementState state)
    {
        Gather();
        var bytes = _promptBytes.GetValueOrDefault(state);
        return state.Model.Prefill.Expected(bytes) ?? TimeSpan.FromSeconds(bytes / AssumedBytesPerToken / AssumedTokensPerSecond);
    }

    private void Gather()
    {
        if (_isGathered)
            return;
        _isGathered = true;
        _moved.Clear();
        _promptBytes.Clear();
        foreach (var attempt in _attempts)
        {
            var key = Key(attempt);
            _moved[key] = Math.Max(_moved.GetValueOrDefault(key), attempt.Timeline.LastByteAt);
            if (!attempt.HasBegun)
                _promptBytes[key.Placement] = _promptBytes.GetValueOrDefault(key.Placement) + PromptBytes(attempt.Call);
        }

        var now = time.GetTimestamp();
        if (now < _nextSweep)
            return;
        _nextSweep = now + (long)(Remembered.TotalSeconds * time.TimestampFrequency);
        foreach (var (key, at) in _ended)
            if (time.GetElapsedTime(at, now) > Remembered)
                _ended.TryRemove(key, out _);
    }

    private static (PlacementState Placement, Operation Operation) Key(StreamedAttempt attempt) => (attempt.Lease.Placement.State, attempt.Call.Operation);

    private static long PromptBytes(ForwardedCall call)
    {
        var demands = call.Facts.Demands;
        return Math.Max(0, (call.Body?.Length ?? 0) - demands.ImageBytes) + (demands.Images * ImageBytes);
    }
}
