using System.Collections.Concurrent;

namespace OllamaBridge.Gateway.Settings;

/// <summary>One accepted state of all settings. Immutable; each options object is created once.</summary>
internal sealed class SettingsSnapshot
{
    private readonly ConcurrentDictionary<Type, object> _options = new();

    /// <summary>A state whose options objects are created on first use. <paramref name="values"/> are those of <see cref="CheckedSettings.Values"/>.</summary>
    public SettingsSnapshot(IReadOnlyDictionary<string, string?> values)
    {
        Values = values;
        Configuration = new ConfigurationBuilder().AddInMemoryCollection(values).Build();
    }

    public SettingsSnapshot(IReadOnlyDictionary<string, string?> values, IEnumerable<KeyValuePair<Type, object>> options)
        : this(values)
    {
        foreach (var (type, value) in options)
            _options[type] = value;
    }

    public IReadOnlyDictionary<string, string?> Values { get; }

    public IConfiguration Configuration { get; }

    public T Get<T>(Func<T> create)
        where T : class => (T)_options.GetOrAdd(typeof(T), static (_, make) => make(), create);
}
