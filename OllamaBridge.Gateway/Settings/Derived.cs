using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Settings;

/// <summary>A value computed once from each accepted state of options. Thread-safe; concurrent readers may compute it twice.</summary>
/// <param name="compute">Computes the value. Other options that it reads are of the same state or a later one.</param>
internal sealed class Derived<TOptions, TValue>(IOptions<TOptions> options, Func<TOptions, TValue> compute)
    where TOptions : class
{
    private volatile Entry? _entry;

    public TValue Value
    {
        get
        {
            var current = options.Value;
            return _entry is { } entry && ReferenceEquals(entry.Options, current) ? entry.Value : Compute(current);
        }
    }

    private TValue Compute(TOptions current)
    {
        var value = compute(current);
        _entry = new Entry(current, value);
        return value;
    }

    private sealed record Entry(TOptions Options, TValue Value);
}
