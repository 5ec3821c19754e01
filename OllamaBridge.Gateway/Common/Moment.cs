namespace OllamaBridge.Gateway.Common;

/// <summary>A point in this process's monotonic time: only comparisons and differences have a meaning. <c>default</c> is before every other moment.</summary>
internal readonly record struct Moment(TimeSpan SinceOrigin) : IComparable<Moment>
{
    public static Moment operator +(Moment moment, TimeSpan time) =>
        new(time > TimeSpan.MaxValue - moment.SinceOrigin ? TimeSpan.MaxValue : moment.SinceOrigin + time);

    public static Moment operator -(Moment moment, TimeSpan time) => new(moment.SinceOrigin - time);

    public static TimeSpan operator -(Moment later, Moment earlier) => later.SinceOrigin - earlier.SinceOrigin;

    public static bool operator <(Moment left, Moment right) => left.SinceOrigin < right.SinceOrigin;

    public static bool operator >(Moment left, Moment right) => left.SinceOrigin > right.SinceOrigin;

    public static bool operator <=(Moment left, Moment right) => left.SinceOrigin <= right.SinceOrigin;

    public static bool operator >=(Moment left, Moment right) => left.SinceOrigin >= right.SinceOrigin;

    public int CompareTo(Moment other) => SinceOrigin.CompareTo(other.SinceOrigin);

    public static Moment Min(Moment left, Moment right) => left < right ? left : right;
}

internal static class MomentExtensions
{
    public static Moment GetMoment(this TimeProvider time) => new(time.GetElapsedTime(0));
}
