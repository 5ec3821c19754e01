using System.Reflection;

namespace OllamaBridge.Gateway.Settings;

/// <summary>A node in the tree of valid settings.</summary>
internal abstract record SettingNode
{
    /// <summary>The property that declares the setting; null for elements of collections and for sections.</summary>
    public PropertyInfo? Property { get; init; }

    public object? Default { get; init; }

    public bool NeedsRestart { get; init; }
}

/// <summary>A section with fixed keys, in the order of their declaration, case-insensitive.</summary>
internal sealed record SettingObject(OrderedDictionary<string, SettingNode> Members) : SettingNode
{
    public SettingObject()
        : this(new OrderedDictionary<string, SettingNode>(StringComparer.OrdinalIgnoreCase))
    {
    }

    public IList<Type> Types { get; } = [];
}

/// <summary>A section whose keys are names that the user chooses.</summary>
internal sealed record SettingMap(SettingNode Element) : SettingNode;

/// <summary>A list with the keys 0, 1, 2 and so on.</summary>
internal sealed record SettingList(SettingNode Element) : SettingNode;

/// <summary>A single value. <c>Type</c> is without <see cref="Nullable{T}"/>; if <c>IsNullable</c>, it may be empty, which means absent.</summary>
internal sealed record SettingValue(Type Type, bool IsNullable) : SettingNode;
