using System.Collections.Concurrent;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding.Liveness;

/// <summary>Compares the requests for one model on one instance.</summary>
/// <remarks>
/// An answer of the same route that brings bytes shows that route and engine work, whatever a silent request beside it waits for. Used by one loop
/// alone, but for <see cref="AddEnded"/>.
/// </remarks>
internal sealed class PlacementProgress(TimeProvider time)
{
    // A slow GPU, and the usual length of a token, while nothing is learned.
    private const double AssumedTokensPerSecond = 300;
    private const double AssumedBytesPerToken = 4;
    // An image's tokens, roughly.
    private const long ImageBytes = 4096;
    // Older ends matter no more.
    private static readonly TimeSpan Remembered = TimeSpan.FromMinutes(1);
    private readonly ConcurrentDictionary<(PlacementState Placement, Operation Operation), long> _ended = new();
    private readonly Dictionary<(PlacementState Placement, Operation Operation), long> _moved = [];
    private readonly Dictionary<PlacementState, long> _promptBytes = [];
    private IEnumerable<ForwardAttempt> _attempts = [];
    private bool _isGathered;
    private long _nextSweep;

    /// <summary>Begins a round.</summary>
    /// <param name="attempts">All requests under way.</param>
    public void Begin(IEnumerable<ForwardAttempt> attempts)
    {
        _attempts = attempts;
        _isGathered = false;
    }

    /// <summary>A request has ended whose answer had begun. Thread-safe.</summary>
    public void AddEnded(ForwardAttempt attempt) => _ended[Key(attempt)] = time.GetTimestamp();

    /// <summary>Whether another request for the model on the same instance got bytes, or was answered, within a time.</summary>
    /// <param name="attempt">The silent request.</param>
    /// <param name="within">The time.</param>
    /// <param name="now">Now, in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</param>
    public bool HasMoved(ForwardAttempt attempt, TimeSpan within, long now)
    {
        Gather();
        var key = Key(attempt);
        var at = Math.Max(_moved.GetValueOrDefault(key), _ended.GetValueOrDefault(key));
        // Its own last bytes are older than its silence.
        return at > attempt.LastByteAt && at > attempt.SentAt && time.GetElapsedTime(at, Math.Max(at, now)) < within;
    }

    /// <summary>How long the prompts take that the instance holds for the model and has not answered yet.</summary>
    public TimeSpan ExpectedPrefill(PlacementState state)
    {
        Gather();
        var bytes = _promptBytes.GetValueOrDefault(state);
        return state.Model.Prefill.Expected(bytes) ?? TimeSpan.FromSeconds(bytes / AssumedBytesPerToken / AssumedTokensPerSecond);
    }

    /// <summary>Looks at all requests, once in a round and only if one is silent.</summary>
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
            _moved[key] = Math.Max(_moved.GetValueOrDefault(key), attempt.LastByteAt);
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

    private static (PlacementState Placement, Operation Operation) Key(ForwardAttempt attempt) => (attempt.Lease.Placement.State, attempt.Call.Operation);

    private static long PromptBytes(BridgeCall call)
    {
        var demands = call.Facts.Demands;
        return Math.Max(0, (call.Body?.Length ?? 0) - demands.ImageBytes) + (demands.Images * ImageBytes);
    }
}
