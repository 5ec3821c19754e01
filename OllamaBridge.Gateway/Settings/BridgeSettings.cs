using System.Collections.Frozen;
using Microsoft.Extensions.Primitives;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Settings;

/// <summary>The settings in effect: the configuration section <c>Bridge</c>, strictly validated and changed only as a whole.</summary>
internal sealed class BridgeSettings : IDisposable
{
    public const string Root = "Bridge";

    // Read once by components without options: listeners and Redis.
    private static readonly string[] OtherKeys = ["urls", "http_ports", "https_ports", "ConnectionStrings:state"];
    private readonly IConfiguration _configuration;
    private readonly SettingsValidation? _validation;
    private readonly ConfigurationFiles? _files;
    private readonly ILogger? _logger;
    private readonly Lock _lock = new();
    private readonly FrozenDictionary<string, string?> _others;
    private readonly string[] _sections;
    private readonly SettingsSnapshot _first;
    private IDisposable? _registration;
    private volatile SettingsSnapshot _current;
    private volatile IReadOnlyList<string> _refused = [];
    private volatile IReadOnlyList<string> _pending = [];

    /// <param name="validation">Validates changes; null for settings that never change.</param>
    public BridgeSettings(
        IConfiguration configuration,
        IEnumerable<OptionsSection> sections,
        SettingsValidation? validation = null,
        ConfigurationFiles? files = null,
        ILogger<BridgeSettings>? logger = null)
    {
        (_configuration, _validation, _files, _logger) = (configuration, validation, files, logger);
        var all = sections.ToArray();
        _sections = [.. all.Select(s => s.Section).Distinct(StringComparer.OrdinalIgnoreCase).OrderByDescending(s => s.Length)];
        Tree = SettingTree.Build(Root, all);
        var read = Read();
        Mistakes = read.Mistakes;
        _others = ReadOthers();
        _current = _first = new SettingsSnapshot(read.Values);
    }

    /// <summary>Raised after each accepted change, also if no setting of <c>Bridge</c> changed. A handler must not block; its exception is logged.</summary>
    public event Action? Changed;

    public SettingObject Tree { get; }

    /// <summary>Unreadable values and unknown keys at startup.</summary>
    public IReadOnlyList<string> Mistakes { get; }

    public SettingsSnapshot Current => _current;

    public bool HasChanged => !ReferenceEquals(_current, _first);

    /// <summary>The errors of the last change, which was rejected; empty if it was accepted.</summary>
    public IReadOnlyList<string> Refused => _refused;

    /// <summary>Changed keys that take effect only after a restart.</summary>
    public IReadOnlyList<string> Pending => _pending;

    public IEnumerable<string> MistakesOf(string section) => Mistakes.Where(m => string.Equals(Owner(m), section, StringComparison.OrdinalIgnoreCase));

    public static BridgeSettings Follow(
        IConfiguration configuration, IEnumerable<OptionsSection> sections, SettingsValidation validation, ConfigurationFiles? files, ILogger<BridgeSettings>? logger)
    {
        var settings = new BridgeSettings(configuration, sections, validation, files, logger);
        settings._registration = ChangeToken.OnChange(configuration.GetReloadToken, settings.Reload);
        return settings;
    }

    public void Dispose() => _registration?.Dispose();

    internal void Reload()
    {
        lock (_lock)
        {
            try
            {
                if (TryApply())
                    Notify();
            }
            catch (Exception e)
            {
                // An exception here would stop the file watcher. The previous settings stay in effect.
                Refuse([$"{Root}: the change cannot be applied ({e.GetType().Name}: {e.Message})"]);
            }
        }
    }

    private bool TryApply()
    {
        var read = Read();
        string[] mistakes = [.. _files?.FindMistakes() ?? [], .. read.Mistakes];
        var (effective, pending) = RestartRules.Apply(Tree, _current.Values, read.Values);
        IReadOnlyList<KeyValuePair<Type, object>> options = [];
        if (mistakes.Length == 0 && _validation is not null)
        {
            // First validated as after a restart, then as they apply until the restart.
            (options, var found) = _validation.Validate(read.Values);
            if (found.Count == 0 && pending.Count > 0)
                (options, found) = _validation.Validate(effective);
            mistakes = [.. found];
        }

        if (mistakes.Length > 0)
        {
            Refuse(mistakes);
            return false;
        }

        Accept(effective, [.. pending, .. ReadOthers().Where(o => o.Value != _others[o.Key]).Select(o => o.Key)], options);
        return true;
    }

    private void Accept(IReadOnlyDictionary<string, string?> values, IReadOnlyList<string> pending, IReadOnlyList<KeyValuePair<Type, object>> options)
    {
        var keys = values.Keys.Union(_current.Values.Keys, StringComparer.OrdinalIgnoreCase)
            .Where(k => values.ContainsKey(k) != _current.Values.ContainsKey(k) || values.GetValueOrDefault(k) != _current.Values.GetValueOrDefault(k))
            .Order(StringComparer.OrdinalIgnoreCase).ToArray();
        if (_logger is not null && pending.Count > 0 && !pending.SequenceEqual(_pending))
            SettingsLog.RestartNeeded(_logger, string.Join(", ", pending));
        if (_logger is not null && _refused.Count > 0 && keys.Length == 0)
            SettingsLog.Restored(_logger);
        _refused = [];
        _pending = pending;
        if (keys.Length == 0)
            return;
        _current = new SettingsSnapshot(values, options);
        if (_logger is not null)
            SettingsLog.Accepted(_logger, string.Join(", ", keys));
    }

    private void Refuse(IReadOnlyList<string> mistakes)
    {
        if (_logger is not null && !mistakes.SequenceEqual(_refused))
            SettingsLog.Refused(_logger, string.Join(" ", mistakes));
        _refused = mistakes;
    }

    private void Notify()
    {
        foreach (var handler in Changed?.GetInvocationList().Cast<Action>() ?? [])
            try
            {
                handler();
            }
            catch (Exception e) when (_logger is not null)
            {
                SettingsLog.HandlerFailed(_logger, e, handler.Method.DeclaringType?.Name ?? "");
            }
    }

    private CheckedSettings Read()
    {
        var read = SettingsReader.Read(_configuration.GetSection(Root), Tree);
        return read with { Mistakes = [.. RootKeys.FindMistakes(_configuration, Tree), .. read.Mistakes] };
    }

    private FrozenDictionary<string, string?> ReadOthers() => OtherKeys.ToFrozenDictionary(k => k, k => _configuration[k]);

    private string Owner(string mistake) =>
        Array.Find(_sections, s => mistake.StartsWith(s, StringComparison.OrdinalIgnoreCase) && mistake.Length > s.Length && mistake[s.Length] == ':') ?? Root;
}

/// <summary>Log messages of changed settings: keys, never values. Event ids 1800–1809.</summary>
internal static partial class SettingsLog
{
    [LoggerMessage(EventIds.Settings.Accepted, LogLevel.Information, "Settings changed and in effect: {Keys}")]
    public static partial void Accepted(ILogger logger, string keys);

    [LoggerMessage(EventIds.Settings.Refused, LogLevel.Error, "Changed settings refused, the old ones stay in effect: {Mistakes}")]
    public static partial void Refused(ILogger logger, string mistakes);

    [LoggerMessage(EventIds.Settings.RestartNeeded, LogLevel.Warning, "Restart needed for changed settings: {Keys}")]
    public static partial void RestartNeeded(ILogger logger, string keys);

    [LoggerMessage(EventIds.Settings.Restored, LogLevel.Information, "Settings are again as they are in effect")]
    public static partial void Restored(ILogger logger);

    [LoggerMessage(EventIds.Settings.HandlerFailed, LogLevel.Error, "Changed settings cannot be used by {Component}")]
    public static partial void HandlerFailed(ILogger logger, Exception exception, string component);
}
