using OllamaBridge.Gateway.Identity;

namespace OllamaBridge.Gateway.Admission;

/// <summary>A moment, by a clock that never goes back and by the calendar.</summary>
/// <param name="Elapsed">Since some beginning.</param>
/// <param name="Utc">The calendar's.</param>
internal readonly record struct QuotaMoment(TimeSpan Elapsed, DateTime Utc);

/// <summary>What other gateways have of one set of limits, as far as known.</summary>
/// <param name="Minute">Tokens in the minute, spent and reserved.</param>
/// <param name="Day">The same in the day.</param>
/// <param name="Permits">Permits of requests per second that are there for all; null where they are counted here.</param>
internal readonly record struct QuotaElsewhere(long Minute, long Day, double? Permits);

/// <summary>What this gateway has used of one set of limits. Not thread-safe: its tenant's lock guards it.</summary>
internal sealed class QuotaCounter
{
    /// <summary>As long as a token that was spent counts: no less than any 60 seconds.</summary>
    public static readonly TimeSpan Minute = TimeSpan.FromSeconds(Seconds);

    /// <summary>When to come back where somebody's end is in the way: nobody knows when that is.</summary>
    public static readonly TimeSpan SomebodyEnds = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    // "Any minute" touches 61 whole seconds: the one that runs and the 60 before it.
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

    /// <summary>Tokens of the requests that have ended, within the last minute.</summary>
    public long SpentInMinute => _minute;

    /// <summary>The same for today.</summary>
    public long SpentInDay => _day;

    /// <summary>Tokens of the requests that have not ended, as reserved.</summary>
    public long Reserved => _reserved;

    /// <summary>Requests that have not ended.</summary>
    public int InFlight => _inFlight;

    /// <summary>Lets time pass.</summary>
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

    /// <summary>Fills up the permits of requests per second.</summary>
    /// <param name="rate">So many in a second; null where they are not limited.</param>
    /// <param name="now">The moment.</param>
    public void Fill(double? rate, in QuotaMoment now)
    {
        if (rate is { } known)
            _permits = Math.Min(Burst(known), _permits + Math.Max(0, (now.Elapsed - _filledAt).TotalSeconds) * known);
        _filledAt = now.Elapsed;
    }

    /// <summary>Whether a request fits beside the others, its pace aside. The limit that will be in the way for longest is told first.</summary>
    public QuotaRefusal CheckUse(UsageLimits limits, long tokens, bool ofModel, in QuotaMoment now)
    {
        if (tokens > 0 && limits.TokensPerDay is { } day && _day + _reserved + tokens > day)
            return new QuotaRefusal(QuotaLimit.Day, day, ofModel, tokens > day ? null : _day + tokens > day ? UntilTomorrow(now) : SomebodyEnds);
        if (tokens > 0 && limits.TokensPerMinute is { } minute && _minute + _reserved + tokens > minute)
            return new QuotaRefusal(QuotaLimit.Minute, minute, ofModel, tokens > minute ? null : UntilFree(_minute + tokens - minute, now));
        if (limits.ConcurrentRequests is { } most && _inFlight >= most)
            return new QuotaRefusal(QuotaLimit.Concurrency, most, ofModel, SomebodyEnds);
        return default;
    }

    /// <summary>Whether there is a permit.</summary>
    public QuotaRefusal CheckPace(double? rate, bool ofModel) => rate is { } known && _permits < 1
        ? new QuotaRefusal(QuotaLimit.Requests, known, ofModel, UntilPermits(1 - _permits, known))
        : default;

    /// <summary>Takes what a request needs.</summary>
    /// <param name="tokens">Tokens to reserve.</param>
    /// <param name="permits">Permits of requests per second.</param>
    public void Take(long tokens, int permits)
    {
        _reserved += tokens;
        _inFlight++;
        _permits -= permits;
    }

    /// <summary>A request has ended.</summary>
    /// <param name="reserved">What it had taken.</param>
    /// <param name="used">What it has used.</param>
    /// <param name="now">The moment.</param>
    public void Settle(long reserved, long used, in QuotaMoment now)
    {
        Advance(now);
        _reserved -= reserved;
        _inFlight--;
        _seconds[_second % Seconds] += used;
        _minute += used;
        _day += used;
    }

    /// <summary>How far the limits are used up.</summary>
    /// <param name="limits">The limits.</param>
    /// <param name="others">What others have used of them.</param>
    /// <param name="now">The moment.</param>
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

    /// <summary>The most requests at once where so many are allowed in a second.</summary>
    public static double Burst(double rate) => Math.Max(1, rate);

    /// <summary>Until so many permits have come.</summary>
    public static TimeSpan UntilPermits(double permits, double rate) => TimeSpan.FromSeconds(Math.Clamp(permits / rate, 0, 86400));

    /// <summary>Until the day is over.</summary>
    public static TimeSpan UntilTomorrow(in QuotaMoment now) => now.Utc.Date.AddDays(1) - now.Utc;

    /// <summary>Until so many tokens have left the minute.</summary>
    private TimeSpan UntilFree(long tokens, in QuotaMoment now)
    {
        for (var second = _second - Seconds + 1; second <= _second && tokens > 0; second++)
        {
            tokens -= second < 0 ? 0 : _seconds[second % Seconds];
            if (tokens <= 0)
                return (second + Seconds) * Second - now.Elapsed;
        }

        return SomebodyEnds;
    }

    /// <summary>Until the minute is empty; whole where something is still reserved, or others' use is in it.</summary>
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
