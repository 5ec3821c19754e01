namespace OllamaBridge.Gateway.Forwarding.Hedging;

/// <summary>Two sendings of one request, of which the first that answers goes to the client; the other is cancelled before anything of it does.</summary>
internal sealed class HedgeRace
{
    private readonly Lock _lock = new();
    private readonly TaskCompletionSource<ForwardAttempt> _won = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<ForwardAttempt> _attempts = new(2);
    private ForwardAttempt? _winner;

    /// <summary>Ends with the one that answers.</summary>
    public Task<ForwardAttempt> Won => _won.Task;

    /// <summary>A sending begins. It can be cancelled already.</summary>
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

    /// <summary>A sending has an answer.</summary>
    /// <returns>False where the other was faster: nothing of this one is wanted.</returns>
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
