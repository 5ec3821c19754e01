using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Activation;

/// <summary>Time in which something is not tried again: each time in a row twice as long.</summary>
/// <param name="time">The clock.</param>
/// <param name="first">The first.</param>
/// <param name="longest">The longest.</param>
internal sealed class TierPause(TimeProvider time, TimeSpan first, TimeSpan longest)
{
    private Moment _until;
    private int _row;

    /// <summary>Whether it is not over yet.</summary>
    public bool IsOn => time.GetMoment() < _until;

    /// <summary>How long it lasts yet.</summary>
    public TimeSpan Left => IsOn ? _until - time.GetMoment() : TimeSpan.Zero;

    /// <summary>Begins, longer than the time before.</summary>
    public void Set()
    {
        var length = Math.Min(first.TotalSeconds * Math.Pow(2, Math.Min(_row++, 16)), longest.TotalSeconds);
        _until = time.GetMoment() + TimeSpan.FromSeconds(length);
    }

    /// <summary>Begins, for so long: what was tried has worked.</summary>
    public void Set(TimeSpan length) => (_until, _row) = (time.GetMoment() + length, 0);

    /// <summary>Ends.</summary>
    public void Clear() => (_until, _row) = (default, 0);
}
