using System.Collections.Concurrent;

namespace OllamaBridge.Gateway.Settings;

/// <summary>One accepted state of all settings. Immutable; options objects are made of it once each.</summary>
internal sealed class SettingsSnapshot
{
    private readonly ConcurrentDictionary<Type, object> _options = new();

    /// <summary>A state whose options objects are made when they are first used.</summary>
    /// <param name="values">Every value by its full key, as <see cref="CheckedSettings.Values"/>.</param>
    public SettingsSnapshot(IReadOnlyDictionary<string, string?> values)
    {
        Values = values;
        Configuration = new ConfigurationBuilder().AddInMemoryCollection(values).Build();
    }

    /// <summary>A state whose options objects are known.</summary>
    public SettingsSnapshot(IReadOnlyDictionary<string, string?> values, IEnumerable<KeyValuePair<Type, object>> options)
        : this(values)
    {
        foreach (var (type, value) in options)
            _options[type] = value;
    }

    /// <summary>Every value by its full key.</summary>
    public IReadOnlyDictionary<string, string?> Values { get; }

    /// <summary>The same, for .NET's binder.</summary>
    public IConfiguration Configuration { get; }

    /// <summary>The options of a type.</summary>
    /// <param name="create">Makes them if they were not made yet.</param>
    public T Get<T>(Func<T> create)
        where T : class => (T)_options.GetOrAdd(typeof(T), static (_, make) => make(), create);
}
