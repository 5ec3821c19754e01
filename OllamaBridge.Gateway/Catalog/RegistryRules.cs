using System.Text.RegularExpressions;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Catalog;

/// <summary>Decides which registries a <c>pull</c>, a <c>push</c> and the source of a <c>create</c> may use.</summary>
internal sealed partial class RegistryRules(IOptions<ManagementOptions> options)
{
    private const string Wildcard = "*";
    private readonly IReadOnlyList<string> _registries = options.Value.Registries is { Count: > 0 } configured
        ? [.. configured]
        : ManagementOptions.DefaultRegistries;
    private readonly bool _allowInsecure = options.Value.AllowInsecure;

    /// <summary>The response for a request that is refused; null for one that may go on.</summary>
    public (int Status, string Message)? Check(Operation operation, in RequestFacts facts)
    {
        if (operation.Kind != OperationKind.Management || operation.Type is not (OperationType.Pull or OperationType.Push or OperationType.Create))
            return null;
        if (facts.IsInsecure && !_allowInsecure)
            return (StatusCodes.Status403Forbidden, "\"insecure\" is not allowed here: registries are used with certificate checks only (Bridge:Management:AllowInsecure)");
        if (operation.Type != OperationType.Create)
            return Check(facts.Model, operation.Naming);
        if (Check(facts.OtherModel, ModelNaming.Reference) is { } refused)
            return refused;
        // Servers before 0.5.5 take a Modelfile.
        foreach (Match from in From().Matches(facts.Modelfile ?? ""))
            if (Check(from.Groups[1].Value.Trim('"'), ModelNaming.Reference) is { } refusedFrom)
                return refusedFrom;
        return null;
    }

    /// <summary>Whether a pattern covers a registry: <c>*</c>, <c>*.example.com</c>, or the host itself, with its port if the name has one.</summary>
    public static bool Covers(string pattern, string registry) =>
        pattern == Wildcard
        || pattern.Equals(registry, StringComparison.OrdinalIgnoreCase)
        || (pattern.StartsWith("*.", StringComparison.Ordinal) && registry.EndsWith(pattern[1..], StringComparison.OrdinalIgnoreCase)
                && registry.Length >= pattern.Length);

    private (int Status, string Message)? Check(string? written, ModelNaming naming)
    {
        if (string.IsNullOrEmpty(written))
            return null;
        var reference = ModelReference.Resolve(written, naming);
        if (!reference.IsResolved)
            // Ollama refuses such a name; another version might read a host in it.
            return written.Contains('/', StringComparison.Ordinal) && !_registries.Contains(Wildcard)
                ? (StatusCodes.Status400BadRequest, "invalid model name")
                : null;
        var registry = ModelName.RegistryOf(reference.Key);
        return _registries.Any(pattern => Covers(pattern, registry)) ? null : (
            StatusCodes.Status403Forbidden, $"models of the registry {registry} are not allowed here; allowed are {string.Join(", ", _registries)} (Bridge:Management:Registries)");
    }

    [GeneratedRegex(@"^[ \t]*FROM[ \t]+(\S+)", RegexOptions.IgnoreCase | RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex From();
}
