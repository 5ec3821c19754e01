namespace OllamaBridge.Gateway.Forwarding.Hedging;

/// <summary>Two attempts of one request. The first response goes to the client; the other attempt is cancelled before the client gets any of it.</summary>
internal sealed class HedgeRace
{
    private readonly Lock _lock = new();
    private readonly TaskCompletionSource<ForwardAttempt> _won = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<ForwardAttempt> _attempts = new(2);
    private ForwardAttempt? _winner;

    /// <summary>Completes with the attempt whose response came first.</summary>
    public Task<ForwardAttempt> Won => _won.Task;

    /// <summary>Adds an attempt. It is cancelled at once if the other one has won.</summary>
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

    /// <summary>Declares an attempt the winner, because it has a response.</summary>
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
