using System.Globalization;

namespace OllamaBridge.Gateway.Settings;

/// <summary>A validated section: values by full key, in the form that .NET's binder reads; one line for each error, beginning with its full key.</summary>
internal sealed record CheckedSettings(IReadOnlyDictionary<string, string?> Values, IReadOnlyList<string> Mistakes);

/// <summary>Validates a section of the configuration against the tree of valid settings.</summary>
internal sealed class SettingsReader
{
    private readonly Dictionary<string, string?> _values = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<string> _mistakes = [];

    private SettingsReader()
    {
    }

    public static CheckedSettings Read(IConfigurationSection section, SettingObject tree)
    {
        var reader = new SettingsReader();
        reader.ReadObject(section, tree, section.Key);
        return new CheckedSettings(reader._values, reader._mistakes);
    }

    private void Read(IConfigurationSection section, SettingNode node, string key)
    {
        switch (node)
        {
            case SettingObject of:
                ReadObject(section, of, key);
                break;
            case SettingMap of:
                ReadMap(section, of, key);
                break;
            case SettingList of:
                ReadList(section, of, key);
                break;
            case SettingValue of:
                ReadValue(section, of, key);
                break;
        }
    }

    private void ReadObject(IConfigurationSection section, SettingObject node, string key)
    {
        if (!string.IsNullOrEmpty(section.Value))
            Add(key, $"is a section with keys of its own, not a value. Its first key is {key}:{node.Members.Keys.FirstOrDefault()}.");
        foreach (var child in section.GetChildren())
            if (node.Members.TryGetValue(child.Key, out var member))
                Read(child, member, $"{key}:{NameIn(node, child.Key)}");
            else
                AddUnknown(key, child.Key, node.Members.Keys);
    }

    private void ReadMap(IConfigurationSection section, SettingMap node, string key)
    {
        if (!string.IsNullOrEmpty(section.Value))
            Add(key, $"is a section of named entries, not a value: write {key}:NAME.");
        foreach (var child in section.GetChildren())
        {
            var name = $"{key}:{child.Key}";
            if (string.IsNullOrWhiteSpace(child.Key))
                Add(name, "the entry has no name.");
            // An entry without any setting still counts as an entry, unless it is null.
            else if (node.Element is SettingObject && child.Value is "" && !child.GetChildren().Any())
                _values[name] = "";
            else
                Read(child, node.Element, name);
        }
    }

    private void ReadList(IConfigurationSection section, SettingList node, string key)
    {
        if (!string.IsNullOrEmpty(section.Value))
            Add(key, $"is a list, not a value: write {key}:0 for its first entry, or [ … ] in JSON.");
        foreach (var child in section.GetChildren())
        {
            var entry = $"{key}:{child.Key}";
            if (!int.TryParse(child.Key, NumberStyles.None, CultureInfo.InvariantCulture, out _))
                // A value in place of a list's entry may be a secret, such as a tenant's key, so it is not repeated.
                Add(
                    node.Element is SettingValue ? key : entry,
                    $"{key} is a list. Its entries are {key}:0, {key}:1 and so on{(node.Element is SettingValue ? "" : $", not {SettingText.Quote(child.Key)}")}.");
            else if (child.Value is null && !child.GetChildren().Any())
                Add(entry, "is null. Remove the entry, or give it a value.");
            else
                Read(child, node.Element, entry);
        }
    }

    private void ReadValue(IConfigurationSection section, SettingValue node, string key)
    {
        if (section.GetChildren().FirstOrDefault() is { } child)
        {
            Add(key, $"is a single value and has no key {SettingText.Quote(child.Key)} below it.");
            return;
        }

        // Null means absent: a later file can remove a setting of an earlier one.
        if (section.Value is not { } text)
            return;
        if (text.Length == 0 && node.Type != typeof(string))
        {
            if (!node.IsNullable)
                Add(key, "is empty. Remove the key for its default, or give it a value.");
            return;
        }

        if (SettingText.Read(node.Type, text, out var canonical) is { } mistake)
            Add(key, $"{mistake}.");
        else
            _values[key] = canonical;
    }

    private void AddUnknown(string key, string name, IEnumerable<string> known)
    {
        var shown = SettingText.Quote(name)[1..^1];
        Add(
            $"{key}:{shown}",
            NearestName.Of(name, known) is { } nearest ? $"there is no such setting. The nearest one is {key}:{nearest}." : "there is no such setting.");
    }

    private void Add(string key, string mistake) => _mistakes.Add($"{key}: {mistake}");

    // In the declared letter case, whatever the configuration has.
    private static string NameIn(SettingObject node, string name) => node.Members.GetAt(node.Members.IndexOf(name)).Key;
}
