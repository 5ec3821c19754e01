using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>Compares a model's recent speed on an instance with its usual speed, which follows over about a hundred responses. Pure.</summary>
internal sealed class SpeedHistory
{
    private const double UsualWeight = 0.01;
    private const double RecentWeight = 0.3;
    private int _samples;
    private double _recent = double.NaN;

    public double Usual { get; private set; } = double.NaN;

    public bool IsSlow { get; private set; }

    /// <returns>Whether <see cref="IsSlow"/> changed.</returns>
    public bool Add(double tokensPerSecond, BreakerOptions options)
    {
        var before = IsSlow;
        _samples = Math.Min(_samples + 1, options.SlowAnswers);
        // The plain mean of the first responses, so that one outlier does not set the usual speed.
        Usual = Ewma.Next(Usual, tokensPerSecond, _samples < options.SlowAnswers ? 1.0 / _samples : UsualWeight);
        // A slow model gets few requests, so one fast response is enough. Twice the bound prevents flapping.
        _recent = IsSlow ? tokensPerSecond : Ewma.Next(_recent, tokensPerSecond, RecentWeight);
        IsSlow = IsSlow
            ? _recent < Math.Min(1, 2 * options.SlowRatio) * Usual
            : _samples >= options.SlowAnswers && _recent < options.SlowRatio * Usual;
        return before != IsSlow;
    }

    /// <summary>Forgets the recent speed, because the model left memory. Returns whether <see cref="IsSlow"/> changed.</summary>
    public bool Reload()
    {
        var before = IsSlow;
        IsSlow = false;
        _recent = double.NaN;
        return before;
    }
}
