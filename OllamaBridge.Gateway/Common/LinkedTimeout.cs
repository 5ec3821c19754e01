namespace OllamaBridge.Gateway.Common;

/// <summary>A token that is canceled after a timeout or by an outer token, whichever comes first.</summary>
internal sealed class LinkedTimeout : IDisposable
{
    private readonly CancellationTokenSource _timeout;
    private readonly CancellationTokenSource _linked;

    public LinkedTimeout(TimeSpan timeout, TimeProvider time, CancellationToken outer)
    {
        _timeout = new CancellationTokenSource(timeout, time);
        _linked = CancellationTokenSource.CreateLinkedTokenSource(_timeout.Token, outer);
    }

    public CancellationToken Token => _linked.Token;

    /// <summary>Whether the timeout has passed. The outer token does not count.</summary>
    public bool IsExpired => _timeout.IsCancellationRequested;

    public void Dispose()
    {
        _linked.Dispose();
        _timeout.Dispose();
    }
}
