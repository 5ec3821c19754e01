using System.Globalization;
using System.Text.RegularExpressions;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Tests.Settings;

/// <summary>A key in a table of settings in the documentation.</summary>
/// <param name="Page">The page.</param>
/// <param name="Key">The whole key: <c>N</c> stands for an index, upper case for a name, a final <c>…</c> for all keys below.</param>
/// <param name="Default">The text of the default; empty if there is none.</param>
internal sealed record DocumentedSetting(string Page, string Key, string Default);

/// <summary>Compares tables of settings in the documentation with a tree of settings. Shared with OllamaBridge.Tests.</summary>
/// <remarks>A table's keys are relative to the section in its heading: <c>## Queue: `Bridge:Queue`</c>.</remarks>
internal static partial class SettingsTable
{
    private const string AnyName = "*";
    private const string AllBelow = ":…";

    private static readonly Dictionary<string, double> Sizes = new() { ["KiB"] = 1 << 10, ["MiB"] = 1 << 20, ["GiB"] = 1 << 30, ["B/s"] = 1 };

    private static readonly Dictionary<string, TimeSpan> Durations = new()
    {
        ["ms"] = TimeSpan.FromMilliseconds(1),
        ["s"] = TimeSpan.FromSeconds(1),
        ["min"] = TimeSpan.FromMinutes(1),
        ["h"] = TimeSpan.FromHours(1),
        ["d"] = TimeSpan.FromDays(1),
    };

    /// <summary>Reads all tables of a page with the columns Key, Default and Meaning.</summary>
    public static IEnumerable<DocumentedSetting> Read(string page, string markdown)
    {
        var (section, isTable) = ("", false);
        foreach (var line in markdown.Split('\n'))
        {
            if (line.StartsWith('#'))
                section = Heading().Match(line).Groups["section"].Value;
            isTable = line.StartsWith('|') && (isTable || line == "| Key | Default | Meaning |");
            if (!isTable || !line.StartsWith("| `", StringComparison.Ordinal))
                continue;
            var cells = line.Split('|', StringSplitOptions.TrimEntries);
            var keys = cells[1].Split(", ").Select(k => k.Trim('`')).ToArray();
            var defaults = keys.Length == 1 ? [cells[2]] : cells[2].Split(", ");
            for (var i = 0; i < keys.Length; i++)
                yield return new DocumentedSetting(page, $"{section}:{keys[i]}", defaults.Length == 1 ? defaults[0] : defaults[i]);
        }
    }

    /// <summary>Finds settings without a row, rows without a setting, and defaults that differ.</summary>
    /// <param name="root">The root section.</param>
    /// <param name="tree">All settings below it.</param>
    /// <param name="documented">The rows of all pages.</param>
    /// <param name="configured">Defaults that a settings file has, for settings without a default in the code.</param>
    public static IReadOnlyList<string> FindErrors(
        string root, SettingObject tree, IReadOnlyCollection<DocumentedSetting> documented, IReadOnlyDictionary<string, string?>? configured = null)
    {
        var missing = Leaves(tree, root).ToDictionary(l => l.Key, l => l.Default ?? configured?.GetValueOrDefault(l.Key), StringComparer.Ordinal);
        List<string> errors = [];
        foreach (var row in documented)
        {
            var isSubtree = row.Key.EndsWith(AllBelow, StringComparison.Ordinal);
            var key = Canonical(isSubtree ? row.Key[..^AllBelow.Length] : row.Key, root, tree);
            if (key is null)
                errors.Add($"{row.Page}: {row.Key} is not a setting");
            else if (isSubtree)
                missing.Keys.Where(k => k.StartsWith($"{key}:", StringComparison.Ordinal)).ToList().ForEach(k => missing.Remove(k));
            else if (!missing.Remove(key, out var value))
                errors.Add($"{row.Page}: {row.Key} is in two rows, or a section");
            else if (!IsSame(row.Default, value))
                errors.Add($"{row.Page}: the default of {row.Key} is {Text(value) ?? "absent"}, not {row.Default}");
        }

        return [.. errors, .. missing.Keys.Select(k => $"{k} is in no table")];
    }

    private static IEnumerable<(string Key, object? Default)> Leaves(SettingNode node, string key) => node switch
    {
        SettingObject section => section.Members.SelectMany(m => Leaves(m.Value, $"{key}:{m.Key}")),
        SettingMap { Default: IDictionary<string, float> { Count: > 0 } known } => known.Select(k => ($"{key}:{k.Key}", (object?)k.Value)),
        SettingMap map => Leaves(map.Element, $"{key}:{AnyName}"),
        SettingList list => Leaves(list.Element, $"{key}:N"),
        _ => [(key, node.Default is "" ? null : node.Default)],
    };

    private static string? Canonical(string key, string root, SettingNode node)
    {
        var parts = key.Split(':');
        for (var i = 1; i < parts.Length; i++)
        {
            SettingNode? next = node switch
            {
                SettingObject section when section.Members.TryGetValue(parts[i], out var member) && section.Members.GetAt(section.Members.IndexOf(parts[i])).Key == parts[i] => member,
                SettingMap { Default: IDictionary<string, float> { Count: > 0 } known } map => known.ContainsKey(parts[i]) ? map.Element : null,
                SettingMap map => map.Element,
                SettingList list when parts[i] == "N" => list.Element,
                _ => null,
            };
            if (next is null)
                return null;
            parts[i] = node is SettingMap { Default: not IDictionary<string, float> { Count: > 0 } } ? AnyName : parts[i];
            node = next;
        }

        return parts[0] == root ? string.Join(':', parts) : null;
    }

    private static bool IsSame(string documented, object? value) => (Value(documented), Text(value)) switch
    {
        // Words describe a default that is found out at run time.
        (null, null) => true,
        ({ } text, null) => documented.StartsWith('`') && !bool.TryParse(text, out _),
        ("0", _) when value is TimeSpan span => span == TimeSpan.Zero,
        var (text, expected) => text == expected,
    };

    private static string? Value(string documented)
    {
        if (documented is ['`', .. var quoted, '`'] && !quoted.Contains('`', StringComparison.Ordinal))
            return quoted;
        var match = Amount().Match(documented);
        if (!match.Success)
            return null;
        var (number, unit) = (double.Parse(match.Groups["number"].Value, CultureInfo.InvariantCulture), match.Groups["unit"].Value);
        return unit.Length == 0 ? Text(number) : Sizes.TryGetValue(unit, out var size) ? Text(number * size) : Durations.TryGetValue(unit, out var span) ? Text(number * span) : null;
    }

    private static string? Text(object? value) => value switch
    {
        bool flag => flag ? "true" : "false",
        TimeSpan span => span.ToString("c", CultureInfo.InvariantCulture),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) is { Length: > 0 } text ? text : null,
    };

    [GeneratedRegex(@"^##? .*`(?<section>[A-Za-z:]+)`$")]
    private static partial Regex Heading();

    [GeneratedRegex(@"^(?<number>\d+(\.\d+)?)( (?<unit>\S+))?$")]
    private static partial Regex Amount();
}
