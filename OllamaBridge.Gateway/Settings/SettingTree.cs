using System.Collections;
using System.Reflection;

namespace OllamaBridge.Gateway.Settings;

/// <summary>An options type and its section's path, such as <c>Bridge:Queue</c>.</summary>
internal sealed record OptionsSection(string Section, Type Type);

/// <summary>Builds the tree of valid settings from options types, by the rules of .NET's configuration binder.</summary>
internal static class SettingTree
{
    /// <summary>Builds the tree of all sections; several types may share one.</summary>
    public static SettingObject Build(string root, IEnumerable<OptionsSection> sections)
    {
        var tree = new SettingObject();
        // Parents first: a section may be one of its parent's own settings.
        foreach (var section in sections.Distinct().OrderBy(s => s.Section.Count(c => c == ':')))
        {
            var path = section.Section.Split(':');
            if (!string.Equals(path[0], root, StringComparison.OrdinalIgnoreCase))
                continue;
            var parent = tree;
            foreach (var name in path.Skip(1).SkipLast(1))
                parent = Child(parent, name);
            if (IsCollection(section.Type))
                parent.Members[path[^1]] = Node(section.Type, null, Create(section.Type), restart: false);
            else
                AddMembers(path.Length == 1 ? parent : Child(parent, path[^1]), section.Type, Create(section.Type), restart: false);
        }

        return tree;
    }

    public static SettingObject Build(Type type)
    {
        var tree = new SettingObject();
        AddMembers(tree, type, Create(type), restart: false);
        return tree;
    }

    private static SettingObject Child(SettingObject parent, string name)
    {
        if (parent.Members.GetValueOrDefault(name) is SettingObject known)
            return known;
        var child = new SettingObject();
        parent.Members[name] = child;
        return child;
    }

    private static void AddMembers(SettingObject node, Type type, object? defaults, bool restart)
    {
        node.Types.Add(type);
        restart |= type.IsDefined(typeof(RestartRequiredAttribute));
        foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance).OrderBy(p => p.MetadataToken))
            if (property.GetIndexParameters().Length == 0 && IsBound(property))
                node.Members[property.Name] = Node(property.PropertyType, property, defaults is null ? null : property.GetValue(defaults), restart);
    }

    private static SettingNode Node(Type declared, PropertyInfo? property, object? value, bool restart)
    {
        var type = Nullable.GetUnderlyingType(declared) ?? declared;
        restart |= property?.IsDefined(typeof(RestartRequiredAttribute)) == true || type.IsDefined(typeof(RestartRequiredAttribute));
        SettingNode node;
        if (ElementOfMap(type) is { } named)
        {
            node = new SettingMap(Node(named, null, Create(named), restart));
        }
        else if (ElementOfList(type) is { } element)
        {
            node = new SettingList(Node(element, null, Create(element), restart));
        }
        else if (SettingText.IsScalar(type))
        {
            node = new SettingValue(type, type == typeof(string) || type != declared || IsNullableReference(property));
        }
        else
        {
            var section = new SettingObject();
            AddMembers(section, type, value ?? Create(type), restart);
            node = section;
        }

        return node with { Property = property, Default = value, NeedsRestart = restart };
    }

    // The binder sets properties with a setter, and fills collections and sections without one.
    private static bool IsBound(PropertyInfo property) =>
        property.GetMethod is { IsPublic: true } && (property.SetMethod is { IsPublic: true } || !SettingText.IsScalar(property.PropertyType));

    private static bool IsNullableReference(PropertyInfo? property) =>
        property is { PropertyType.IsValueType: false } && new NullabilityInfoContext().Create(property).ReadState == NullabilityState.Nullable;

    private static bool IsCollection(Type type) => ElementOfMap(type) is not null || ElementOfList(type) is not null;

    private static Type? ElementOfMap(Type type) => Interfaces(type)
        .FirstOrDefault(
            i => i.IsGenericType && (i.GetGenericTypeDefinition() == typeof(IDictionary<,>) || i.GetGenericTypeDefinition() == typeof(IReadOnlyDictionary<,>)))
        ?.GetGenericArguments()[1];

    private static Type? ElementOfList(Type type) => type == typeof(string) || !type.IsAssignableTo(typeof(IEnumerable))
        ? null
        : Interfaces(type).FirstOrDefault(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IEnumerable<>))?.GetGenericArguments()[0];

    private static IEnumerable<Type> Interfaces(Type type) => type.IsInterface ? type.GetInterfaces().Prepend(type) : type.GetInterfaces();

    private static object? Create(Type type) =>
        type is { IsAbstract: false, IsInterface: false, IsArray: false, IsValueType: false } && type.GetConstructor(Type.EmptyTypes) is { } constructor
            ? constructor.Invoke(null)
            : null;
}
