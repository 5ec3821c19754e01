using System.Globalization;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Naming;

/// <summary>Finds every mistake in what is said of models.</summary>
/// <remarks>
/// A list is followed once and to its end; the lists of the models in it are not. So two models may stand in for each other, but a list
/// that comes back to its own model, or names one twice, is a mistake.
/// </remarks>
internal sealed class ModelsOptionsValidator : IValidateOptions<ModelsOptions>
{
    // Of SHA-256; ollama list shows twelve digits.
    private const int MinDigest = 8;
    private const int MaxDigest = 64;

    /// <inheritdoc/>
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
                errors.Add($"{key}:Name: '{options[i].Name}' is there twice.");
        }

        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }

    private static IEnumerable<(string Setting, string Mistake)> Mistakes(ModelOptions model, Dictionary<string, string> aliases)
    {
        var isNamed = ModelName.IsId(model.Name);
        if (!isNamed)
            yield return ("Name", $"'{model.Name}' is no model's name.");
        var isAlias = !string.IsNullOrEmpty(model.Target);
        var digest = ModelDigests.Normalize(model.Digest);
        if (!isAlias && digest is null && model.Fallbacks.Count == 0 && model.OnMemoryFailure == MemoryFailureAction.Fail)
            yield return ("Fallbacks", "is empty, and there is no Target, Digest or OnMemoryFailure: the entry has no effect.");
        if (isAlias && model.OnMemoryFailure != MemoryFailureAction.Fail)
            yield return ("OnMemoryFailure", "belongs to the model itself, not to an alias.");
        if (!Enum.IsDefined(model.OnMemoryFailure))
            yield return ("OnMemoryFailure", "must be Fail or FewerLayers.");
        if (digest is not null && isAlias)
            yield return ("Digest", "is for models; give the alias's target an entry of its own.");
        else if (digest is not null && (digest.Length is < MinDigest or > MaxDigest || digest.AsSpan().ContainsAnyExcept("0123456789abcdef")))
            yield return ("Digest", $"'{model.Digest}' is no digest of {MinDigest} to {MaxDigest} hexadecimal digits, as ollama list shows them.");
        if (isAlias && !ModelName.IsId(model.Target))
            yield return ("Target", $"'{model.Target}' is no model's name.");
        else if (isAlias && isNamed && ModelName.KeyOf(model.Target!) == ModelName.KeyOf(model.Name!))
            yield return ("Target", $"'{model.Target}' is the alias itself.");
        else if (isAlias && aliases.ContainsKey(ModelName.KeyOf(model.Target!)))
            yield return ("Target", $"'{model.Target}' is an alias, too; name the model that it stands for.");

        var seen = new HashSet<string>(StringComparer.Ordinal);
        if (isNamed)
            seen.Add(ModelName.KeyOf(isAlias ? model.Target! : model.Name!));
        for (var i = 0; i < model.Fallbacks.Count; i++)
        {
            var setting = string.Create(CultureInfo.InvariantCulture, $"Fallbacks:{i}");
            var fallback = model.Fallbacks[i];
            if (!ModelName.IsId(fallback))
                yield return (setting, $"'{fallback}' is no model's name.");
            else if (!seen.Add(ModelName.KeyOf(aliases.GetValueOrDefault(ModelName.KeyOf(fallback), fallback))))
                yield return (setting, $"'{fallback}' comes back to a model that was tried before it.");
        }
    }
}
