using System.Reflection;

namespace OllamaBridge.Gateway.Settings;

/// <summary>A node in the tree of valid settings.</summary>
internal abstract record SettingNode
{
    /// <summary>The property that declares the setting; null for elements of collections and for sections.</summary>
    public PropertyInfo? Property { get; init; }

    /// <summary>The default; null if there is none.</summary>
    public object? Default { get; init; }

    public bool NeedsRestart { get; init; }
}

/// <summary>A section with fixed keys.</summary>
/// <param name="Members">The keys in the order of their declaration, case-insensitive.</param>
internal sealed record SettingObject(OrderedDictionary<string, SettingNode> Members) : SettingNode
{
    /// <summary>Creates a section without keys.</summary>
    public SettingObject()
        : this(new OrderedDictionary<string, SettingNode>(StringComparer.OrdinalIgnoreCase))
    {
    }

    /// <summary>The options types whose settings are in it.</summary>
    public IList<Type> Types { get; } = [];
}

/// <summary>A section whose keys are names that the user chooses.</summary>
/// <param name="Element">The node of each entry.</param>
internal sealed record SettingMap(SettingNode Element) : SettingNode;

/// <summary>A list with the keys 0, 1, 2 and so on.</summary>
/// <param name="Element">The node of each entry.</param>
internal sealed record SettingList(SettingNode Element) : SettingNode;

/// <summary>A single value.</summary>
/// <param name="Type">Its type, without <see cref="Nullable{T}"/>.</param>
/// <param name="IsNullable">Whether it may be empty, which means absent.</param>
internal sealed record SettingValue(Type Type, bool IsNullable) : SettingNode;
