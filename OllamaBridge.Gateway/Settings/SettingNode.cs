using System.Reflection;

namespace OllamaBridge.Gateway.Settings;

/// <summary>One place in the tree of valid settings.</summary>
internal abstract record SettingNode
{
    /// <summary>The property that declares the setting; null for elements of collections and for sections.</summary>
    public PropertyInfo? Property { get; init; }

    /// <summary>The value that holds if the setting is absent; null if there is none.</summary>
    public object? Default { get; init; }

    /// <summary>Whether a change takes effect only after a restart.</summary>
    public bool NeedsRestart { get; init; }
}

/// <summary>A section with fixed keys.</summary>
/// <param name="Members">The keys, in the order of their declaration; letter case does not count.</param>
internal sealed record SettingObject(OrderedDictionary<string, SettingNode> Members) : SettingNode
{
    /// <summary>A section without keys, to be filled.</summary>
    public SettingObject()
        : this(new OrderedDictionary<string, SettingNode>(StringComparer.OrdinalIgnoreCase))
    {
    }

    /// <summary>The options types whose settings are in it.</summary>
    public IList<Type> Types { get; } = [];
}

/// <summary>A section with names of the user's choice as keys.</summary>
/// <param name="Element">What each name has.</param>
internal sealed record SettingMap(SettingNode Element) : SettingNode;

/// <summary>A list: its keys are 0, 1, 2 and so on.</summary>
/// <param name="Element">What each entry is.</param>
internal sealed record SettingList(SettingNode Element) : SettingNode;

/// <summary>A single value.</summary>
/// <param name="Type">Its type, without <see cref="Nullable{T}"/>.</param>
/// <param name="IsNullable">Whether it may be empty, which means absent.</param>
internal sealed record SettingValue(Type Type, bool IsNullable) : SettingNode;
