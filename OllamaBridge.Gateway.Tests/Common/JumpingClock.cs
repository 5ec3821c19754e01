using Microsoft.Extensions.Time.Testing;

namespace OllamaBridge.Gateway.Tests.Common;

/// <summary>A machine whose wall clock can be set while its monotonic time goes on: what NTP, a resume or an operator does.</summary>
internal sealed class JumpingClock : TimeProvider
{
    private readonly FakeTimeProvider _monotonic = new();
    private TimeSpan _offset;

    public override long TimestampFrequency => _monotonic.TimestampFrequency;

    /// <summary>Sets the wall clock, forward or back. No monotonic time passes.</summary>
    public void Set(TimeSpan by) => _offset += by;

    public void Advance(TimeSpan time) => _monotonic.Advance(time);

    public override DateTimeOffset GetUtcNow() => _monotonic.GetUtcNow() + _offset;

    public override long GetTimestamp() => _monotonic.GetTimestamp();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        _monotonic.CreateTimer(callback, state, dueTime, period);
}
