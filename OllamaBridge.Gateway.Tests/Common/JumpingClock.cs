using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.Tests.Common;

/// <summary>A clock whose wall-clock time can jump while its monotonic time continues, as after an NTP correction, a resume or a manual change.</summary>
internal sealed class JumpingClock : TimeProvider
{
    private readonly ObservedTime _monotonic = new();
    private TimeSpan _offset;

    public override long TimestampFrequency => _monotonic.TimestampFrequency;

    /// <summary>Moves the wall clock forward or back. The monotonic time does not change.</summary>
    public void Set(TimeSpan by) => _offset += by;

    public void Advance(TimeSpan time) => _monotonic.Advance(time);

    /// <inheritdoc cref="ObservedTime.TimersBecomeAsync"/>
    public Task TimersBecomeAsync(Func<IReadOnlyList<TimeSpan>, bool> condition) => _monotonic.TimersBecomeAsync(condition);

    public override DateTimeOffset GetUtcNow() => _monotonic.GetUtcNow() + _offset;

    public override long GetTimestamp() => _monotonic.GetTimestamp();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        _monotonic.CreateTimer(callback, state, dueTime, period);
}
