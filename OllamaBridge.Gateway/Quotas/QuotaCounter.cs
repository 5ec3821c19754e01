using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Quotas;

/// <summary>A time on a monotonic clock, from an arbitrary start, and in UTC.</summary>
internal readonly record struct QuotaMoment(TimeSpan Elapsed, DateTime Utc);

/// <summary>The use by other gateways, as last reported. <paramref name="Permits"/> is null if this gateway counts them itself.</summary>
internal readonly record struct QuotaElsewhere(long Minute, long Day, double? Permits);

/// <summary>This gateway's use of one set of limits. Not thread-safe: guarded by the tenant's lock.</summary>
internal sealed class QuotaCounter
{
    /// <summary>How long a spent token counts: at least 60 seconds.</summary>
    public static readonly TimeSpan Minute = TimeSpan.FromSeconds(Seconds);

    /// <summary>The retry time if a request must end first, because that time is unknown.</summary>
    public static readonly TimeSpan UnknownWait = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    // Any 60 seconds touch 61 whole seconds: the current one and the 60 before it.
    private const int Seconds = 61;

    private readonly long[] _seconds = new long[Seconds];
    private long _second;
    private long _minute;
    private long _day;
    private DateTime _today;
    private long _reserved;
    private int _inFlight;
    private double _permits = double.MaxValue;
    private TimeSpan _filledAt;

    public long SpentInMinute => _minute;

    /// <summary>Tokens of ended requests in the current UTC day.</summary>
    public long SpentInDay => _day;

    public long Reserved => _reserved;

    public int InFlight => _inFlight;

    public void Advance(in QuotaMoment now)
    {
        var second = now.Elapsed.Ticks / TimeSpan.TicksPerSecond;
        if (second - _second >= Seconds)
        {
            Array.Clear(_seconds);
            _minute = 0;
            _second = second;
        }

        while (_second < second)
        {
            ref var oldest = ref _seconds[++_second % Seconds];
            _minute -= oldest;
            oldest = 0;
        }

        if (now.Utc.Date > _today)
        {
            _today = now.Utc.Date;
            _day = 0;
        }
    }

    /// <summary>Refills the permits of requests per second; no limit if <paramref name="rate"/> is null.</summary>
    public void Fill(double? rate, in QuotaMoment now)
    {
        if (rate is { } known)
            _permits = Math.Min(Burst(known), _permits + Math.Max(0, (now.Elapsed - _filledAt).TotalSeconds) * known);
        _filledAt = now.Elapsed;
    }

    /// <summary>Checks all limits except requests per second. If several refuse the request, returns the one that lasts longest.</summary>
    public QuotaRefusal CheckUse(UsageLimits limits, long tokens, bool ofModel, in QuotaMoment now)
    {
        if (tokens > 0 && limits.TokensPerDay is { } day && _day + _reserved + tokens > day)
            return new QuotaRefusal(QuotaLimit.Day, day, ofModel, tokens > day ? null : _day + tokens > day ? UntilTomorrow(now) : UnknownWait);
        if (tokens > 0 && limits.TokensPerMinute is { } minute && _minute + _reserved + tokens > minute)
            return new QuotaRefusal(QuotaLimit.Minute, minute, ofModel, tokens > minute ? null : UntilFree(_minute + tokens - minute, now));
        if (limits.ConcurrentRequests is { } most && _inFlight >= most)
            return new QuotaRefusal(QuotaLimit.Concurrency, most, ofModel, UnknownWait);
        return default;
    }

    public QuotaRefusal CheckPace(double? rate, bool ofModel) => rate is { } known && _permits < 1
        ? new QuotaRefusal(QuotaLimit.Requests, known, ofModel, UntilPermits(1 - _permits, known))
        : default;

    public void Take(long tokens, int permits)
    {
        _reserved += tokens;
        _inFlight++;
        _permits -= permits;
    }

    public void Settle(long reserved, long used, in QuotaMoment now)
    {
        Advance(now);
        _reserved -= reserved;
        _inFlight--;
        _seconds[_second % Seconds] += used;
        _minute += used;
        _day += used;
    }

    public QuotaLevels Levels(UsageLimits limits, in QuotaElsewhere others, in QuotaMoment now)
    {
        var permits = others.Permits ?? _permits;
        QuotaLevel? requests = limits.RequestsPerSecond is { } rate
            ? new QuotaLevel((long)Burst(rate), (long)Math.Clamp(permits, 0, Burst(rate)), UntilPermits(Burst(rate) - permits, rate))
            : null;
        QuotaLevel? minute = limits.TokensPerMinute is { } perMinute
            ? new QuotaLevel(perMinute, Math.Max(0, perMinute - _minute - _reserved - others.Minute), UntilEmpty(others.Minute, now))
            : null;
        QuotaLevel? day = limits.TokensPerDay is { } perDay
            ? new QuotaLevel(perDay, Math.Max(0, perDay - _day - _reserved - others.Day), UntilTomorrow(now))
            : null;
        return new QuotaLevels(requests, QuotaLevel.Tighter(minute, day));
    }

    public static double Burst(double rate) => Math.Max(1, rate);

    /// <summary>The time until this many permits are refilled, at most a day.</summary>
    public static TimeSpan UntilPermits(double permits, double rate) => TimeSpan.FromSeconds(Math.Clamp(permits / rate, 0, 86400));

    public static TimeSpan UntilTomorrow(in QuotaMoment now) => now.Utc.Date.AddDays(1) - now.Utc;

    private TimeSpan UntilFree(long tokens, in QuotaMoment now)
    {
        for (var second = _second - Seconds + 1; second <= _second && tokens > 0; second++)
        {
            tokens -= second < 0 ? 0 : _seconds[second % Seconds];
            if (tokens <= 0)
                return (second + Seconds) * Second - now.Elapsed;
        }

        return UnknownWait;
    }

    /// <summary>The time until no tokens count for the minute; a whole minute if tokens are reserved or other gateways have used some.</summary>
    private TimeSpan UntilEmpty(long others, in QuotaMoment now)
    {
        if (_reserved > 0 || others > 0)
            return TimeSpan.FromMinutes(1);
        for (var second = _second; second >= 0 && second > _second - Seconds; second--)
            if (_seconds[second % Seconds] > 0)
                return (second + Seconds) * Second - now.Elapsed;
        return TimeSpan.Zero;
    }
}
