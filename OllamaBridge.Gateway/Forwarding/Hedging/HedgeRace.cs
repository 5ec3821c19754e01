namespace OllamaBridge.Gateway.Forwarding.Hedging;

/// <summary>Two attempts of one request. The first response goes to the client; the other attempt is cancelled before the client gets any of it.</summary>
internal sealed class HedgeRace
{
    private readonly Lock _lock = new();
    private readonly TaskCompletionSource<ForwardAttempt> _won = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<ForwardAttempt> _attempts = new(2);
    private ForwardAttempt? _winner;

    public Task<ForwardAttempt> Won => _won.Task;

    public void Add(ForwardAttempt attempt)
    {
        lock (_lock)
        {
            _attempts.Add(attempt);
            if (_winner is null)
                return;
        }

        attempt.Overtake();
    }

    /// <returns>False if the other attempt has won; this response must be dropped.</returns>
    public bool TryWin(ForwardAttempt attempt)
    {
        ForwardAttempt[] others;
        lock (_lock)
        {
            if (_winner is not null)
                return _winner == attempt;
            _winner = attempt;
            others = [.. _attempts.Where(a => a != attempt)];
        }

        foreach (var other in others)
            other.Overtake();
        _won.TrySetResult(attempt);
        return true;
    }
}
