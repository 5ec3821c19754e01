using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Activation;

/// <summary>Exponential backoff: each consecutive pause is twice as long as the previous one, up to a maximum.</summary>
internal sealed class TierPause(TimeProvider time, TimeSpan first, TimeSpan longest)
{
    private Moment _until;
    private int _row;

    public bool IsOn => time.GetMoment() < _until;

    public TimeSpan Left => IsOn ? _until - time.GetMoment() : TimeSpan.Zero;

    public void Set()
    {
        _until = time.GetMoment() + Backoff.Next(first, longest, _row++);
    }

    /// <summary>Starts a pause of a fixed length after a success, and resets the backoff.</summary>
    public void Set(TimeSpan length) => (_until, _row) = (time.GetMoment() + length, 0);

    public void Clear() => (_until, _row) = (default, 0);
}
