using Mono.Cecil;
using Mono.Cecil.Cil;
using Mono.Cecil.Rocks;
using Assembly = System.Reflection.Assembly;

namespace OllamaBridge.Gateway.Tests.Architecture;

/// <summary>The use of a type by another. Names are relative to a namespace; a nested type counts as the type that contains it.</summary>
internal sealed record TypeUse(string From, string To)
{
    public override string ToString() => $"{From} -> {To}";
}

/// <summary>Reads which types use which in a compiled assembly: in signatures, attributes, generic arguments and method bodies, lambdas included.</summary>
/// <remarks>Constants and <c>nameof</c> leave no trace in the assembly.</remarks>
internal static class TypeReferences
{
    /// <summary>Returns the uses between different types below the namespace <paramref name="root"/>.</summary>
    public static IReadOnlyList<TypeUse> Read(Assembly assembly, string root)
    {
        using var module = ModuleDefinition.ReadModule(assembly.Location);
        return
        [
            .. module.GetAllTypes()
                .SelectMany(type => Of(type).SelectMany(Parts).Select(used => (From: NameOf(type, root), To: NameOf(used, root))))
                .Where(use => use is { From: not null, To: not null } && use.From != use.To)
                .Select(use => new TypeUse(use.From!, use.To!))
                .Distinct()
                .OrderBy(use => use.From, StringComparer.Ordinal).ThenBy(use => use.To, StringComparer.Ordinal),
        ];
    }

    /// <summary>The type's name without its outer namespace, for a nested type that of the outermost type; null outside the namespace.</summary>
    private static string? NameOf(TypeReference type, string root)
    {
        while (type.DeclaringType is { } outer)
            type = outer;
        var name = type.FullName.Split('`')[0];
        return name.StartsWith($"{root}.", StringComparison.Ordinal) ? name[(root.Length + 1)..] : null;
    }

    private static IEnumerable<TypeReference?> Of(TypeDefinition type) =>
    [
        type.BaseType,
        .. type.Interfaces.SelectMany(i => Of(i).Prepend(i.InterfaceType)),
        .. Of((ICustomAttributeProvider)type),
        .. Of((IGenericParameterProvider)type),
        .. type.Fields.SelectMany(f => Of(f).Prepend(f.FieldType)),
        .. type.Properties.SelectMany(Of),
        .. type.Events.SelectMany(Of),
        .. type.Methods.SelectMany(Of),
    ];

    private static IEnumerable<TypeReference?> Of(MethodDefinition method) =>
    [
        .. Of((ICustomAttributeProvider)method),
        .. Of((IGenericParameterProvider)method),
        .. OfSignature(method),
        .. Of(method.MethodReturnType),
        .. method.Parameters.SelectMany(Of),
        .. method.Overrides.SelectMany(OfSignature),
        .. method.HasBody ? OfBody(method.Body) : [],
    ];

    private static IEnumerable<TypeReference?> OfBody(MethodBody body) =>
    [
        .. body.Variables.Select(v => v.VariableType),
        .. body.ExceptionHandlers.Select(h => h.CatchType),
        .. body.Instructions.SelectMany(i => i.Operand switch
        {
            TypeReference type => [type],
            FieldReference field => [field.DeclaringType, field.FieldType],
            MethodReference method => OfSignature(method),
            CallSite site => [site.ReturnType, .. site.Parameters.Select(p => p.ParameterType)],
            _ => Enumerable.Empty<TypeReference?>(),
        }),
    ];

    private static IEnumerable<TypeReference?> OfSignature(MethodReference method) =>
    [
        method.DeclaringType,
        method.ReturnType,
        .. method.Parameters.Select(p => p.ParameterType),
        .. method is GenericInstanceMethod generic ? generic.GenericArguments : [],
    ];

    private static IEnumerable<TypeReference?> Of(IGenericParameterProvider provider) =>
        provider.GenericParameters.SelectMany(p => Of((ICustomAttributeProvider)p).Concat(p.Constraints.Select(c => c.ConstraintType)));

    private static IEnumerable<TypeReference?> Of(ICustomAttributeProvider provider) => provider.CustomAttributes.SelectMany(a =>
        a.ConstructorArguments.Concat(a.Fields.Select(f => f.Argument)).Concat(a.Properties.Select(p => p.Argument))
            .SelectMany(argument => Of(argument)).Prepend(a.AttributeType));

    private static IEnumerable<TypeReference?> Of(CustomAttributeArgument argument) => argument.Value switch
    {
        TypeReference type => [argument.Type, type],
        CustomAttributeArgument inner => Of(inner),
        CustomAttributeArgument[] items => items.SelectMany(Of),
        _ => [argument.Type],
    };

    /// <summary>The types in an array, a pointer, a generic type and similar.</summary>
    private static IEnumerable<TypeReference> Parts(TypeReference? type) => type switch
    {
        null => [],
        GenericInstanceType generic => generic.GenericArguments.SelectMany(Parts).Append(generic.ElementType),
        IModifierType modifier => Parts(modifier.ElementType).Concat(Parts(modifier.ModifierType)),
        FunctionPointerType pointer => Parts(pointer.ReturnType).Concat(pointer.Parameters.SelectMany(p => Parts(p.ParameterType))),
        TypeSpecification other => Parts(other.ElementType),
        _ => [type],
    };
}
