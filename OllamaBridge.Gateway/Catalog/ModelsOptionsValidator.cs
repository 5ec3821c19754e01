using System.Globalization;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Catalog;

/// <summary>Reports all errors of <see cref="ModelsOptions"/>. The fallbacks of a fallback are not used, so that two models can be each other's fallbacks; a
/// list must not contain its own model, or any model twice.</summary>
internal sealed class ModelsOptionsValidator : IValidateOptions<ModelsOptions>
{
    // Hexadecimal digits of a SHA-256 digest; ollama list shows twelve.
    private const int MinDigest = 8;
    private const int MaxDigest = 64;

    public ValidateOptionsResult Validate(string? name, ModelsOptions options)
    {
        var errors = new List<string>();
        var aliases = new Dictionary<string, string>(StringComparer.Ordinal);
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var model in options)
            if (ModelName.IsId(model.Name) && !string.IsNullOrEmpty(model.Target))
                aliases.TryAdd(ModelName.KeyOf(model.Name!), model.Target);
        for (var i = 0; i < options.Count; i++)
        {
            var key = string.Create(CultureInfo.InvariantCulture, $"{ModelsOptions.Section}:{i}");
            foreach (var (setting, mistake) in Mistakes(options[i], aliases))
                errors.Add($"{key}:{setting}: {mistake}");
            if (ModelName.IsId(options[i].Name) && !names.Add(ModelName.KeyOf(options[i].Name!)))
                errors.Add($"{key}:Name: '{options[i].Name}' is configured more than once.");
        }

        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }

    private static IEnumerable<(string Setting, string Mistake)> Mistakes(ModelOptions model, Dictionary<string, string> aliases)
    {
        var isNamed = ModelName.IsId(model.Name);
        if (!isNamed)
            yield return ("Name", $"'{model.Name}' is not a model name.");
        var isAlias = !string.IsNullOrEmpty(model.Target);
        var digest = ModelDigests.Normalize(model.Digest);
        if (!isAlias && digest is null && model.Fallbacks.Count == 0 && model.OnMemoryFailure == MemoryFailureAction.Fail)
            yield return ("Fallbacks", "is empty, and there is no Target, Digest or OnMemoryFailure: the entry has no effect.");
        if (isAlias && model.OnMemoryFailure != MemoryFailureAction.Fail)
            yield return ("OnMemoryFailure", "applies to models, not to aliases; add an entry for the alias's target.");
        if (!Enum.IsDefined(model.OnMemoryFailure))
            yield return ("OnMemoryFailure", "must be Fail or FewerLayers.");
        if (digest is not null && isAlias)
            yield return ("Digest", "applies to models, not to aliases; add an entry for the alias's target.");
        else if (digest is not null && (digest.Length is < MinDigest or > MaxDigest || digest.AsSpan().ContainsAnyExcept("0123456789abcdef")))
            yield return ("Digest", $"'{model.Digest}' is not a digest of {MinDigest} to {MaxDigest} hexadecimal digits, as ollama list shows them.");
        if (isAlias && !ModelName.IsId(model.Target))
            yield return ("Target", $"'{model.Target}' is not a model name.");
        else if (isAlias && isNamed && ModelName.KeyOf(model.Target!) == ModelName.KeyOf(model.Name!))
            yield return ("Target", $"'{model.Target}' is the alias itself.");
        else if (isAlias && aliases.ContainsKey(ModelName.KeyOf(model.Target!)))
            yield return ("Target", $"'{model.Target}' is also an alias; name the model that it resolves to.");

        var seen = new HashSet<string>(StringComparer.Ordinal);
        if (isNamed)
            seen.Add(ModelName.KeyOf(isAlias ? model.Target! : model.Name!));
        for (var i = 0; i < model.Fallbacks.Count; i++)
        {
            var setting = string.Create(CultureInfo.InvariantCulture, $"Fallbacks:{i}");
            var fallback = model.Fallbacks[i];
            if (!ModelName.IsId(fallback))
                yield return (setting, $"'{fallback}' is not a model name.");
            else if (!seen.Add(ModelName.KeyOf(aliases.GetValueOrDefault(ModelName.KeyOf(fallback), fallback))))
                yield return (setting, $"'{fallback}' resolves to a model that comes earlier in the list, or to the model itself.");
        }
    }
}
