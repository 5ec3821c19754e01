using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Settings;

/// <summary>Options that follow accepted changes of the settings. <see cref="Value"/> costs two reads of fields.</summary>
internal sealed class LiveOptions<TOptions>(BridgeSettings settings, IOptionsFactory<TOptions> factory) : IOptions<TOptions>
    where TOptions : class
{
    private volatile Entry? _entry;

    /// <summary>The options of the current settings. A later call may return others, so a decision reads them once.</summary>
    /// <exception cref="OptionsValidationException">The settings at startup have errors.</exception>
    public TOptions Value
    {
        get
        {
            var snapshot = settings.Current;
            return _entry is { } entry && ReferenceEquals(entry.Snapshot, snapshot) ? entry.Value : Load(snapshot);
        }
    }

    private TOptions Load(SettingsSnapshot snapshot)
    {
        var value = snapshot.Get(() => factory.Create(Options.DefaultName));
        _entry = new Entry(snapshot, value);
        return value;
    }

    private sealed record Entry(SettingsSnapshot Snapshot, TOptions Value);
}
