namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>How fast a model answers on an instance, against how fast it usually does there. Pure: no clock, no lock.</summary>
/// <remarks>
/// The usual speed follows too, some hundred answers behind: what has changed for good is taken for usual in the end.
/// </remarks>
internal sealed class SpeedHistory
{
    private const double UsualWeight = 0.01;
    private const double RecentWeight = 0.3;
    private int _samples;
    private double _recent = double.NaN;

    /// <summary>Tokens a second, usually; <see cref="double.NaN"/> before the first.</summary>
    public double Usual { get; private set; } = double.NaN;

    /// <summary>Whether it is far slower than usual.</summary>
    public bool IsSlow { get; private set; }

    /// <summary>Takes one answer in.</summary>
    /// <param name="tokensPerSecond">Its speed.</param>
    /// <param name="options">From where on it counts as slow.</param>
    /// <returns>Whether <see cref="IsSlow"/> changed.</returns>
    public bool Add(double tokensPerSecond, BreakerOptions options)
    {
        var before = IsSlow;
        _samples = Math.Min(_samples + 1, options.SlowAnswers);
        // The plain mean of the first, so that one odd answer is not what all others are held against.
        Usual = Ewma.Next(Usual, tokensPerSecond, _samples < options.SlowAnswers ? 1.0 / _samples : UsualWeight);
        // Whoever is slow is asked seldom: one good answer is enough. Twice the bound, so that it does not go back and forth.
        _recent = IsSlow ? tokensPerSecond : Ewma.Next(_recent, tokensPerSecond, RecentWeight);
        IsSlow = IsSlow
            ? _recent < Math.Min(1, 2 * options.SlowRatio) * Usual
            : _samples >= options.SlowAnswers && _recent < options.SlowRatio * Usual;
        return before != IsSlow;
    }

    /// <summary>The model has left memory: how it will be when it is there again, nobody knows.</summary>
    /// <returns>Whether <see cref="IsSlow"/> changed.</returns>
    public bool Reload()
    {
        var before = IsSlow;
        IsSlow = false;
        _recent = double.NaN;
        return before;
    }
}
