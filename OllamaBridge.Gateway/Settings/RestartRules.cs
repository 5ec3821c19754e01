namespace OllamaBridge.Gateway.Settings;

/// <summary>Separates changes that take effect at once from those that need a restart. Pure.</summary>
internal static class RestartRules
{
    /// <returns>The values to apply, with the running values of keys that need a restart; and those keys.</returns>
    public static (IReadOnlyDictionary<string, string?> Effective, IReadOnlyList<string> Pending) Apply(
        SettingObject tree, IReadOnlyDictionary<string, string?> running, IReadOnlyDictionary<string, string?> wanted)
    {
        var effective = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        var pending = new SortedSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (key, value) in wanted)
            if (!NeedsRestart(tree, key))
                effective[key] = value;
            else if (!running.TryGetValue(key, out var now) || now != value)
                pending.Add(key);
        foreach (var (key, value) in running)
            if (NeedsRestart(tree, key))
            {
                effective[key] = value;
                if (!wanted.ContainsKey(key))
                    pending.Add(key);
            }

        return (effective, [.. pending]);
    }

    private static bool NeedsRestart(SettingObject tree, string key)
    {
        SettingNode? node = tree;
        foreach (var part in key.Split(':').Skip(1))
        {
            node = node switch
            {
                SettingObject section => section.Members.GetValueOrDefault(part),
                SettingMap map => map.Element,
                SettingList list => list.Element,
                _ => null,
            };
            if (node is null or { NeedsRestart: true })
                return node is not null;
        }

        return false;
    }
}
