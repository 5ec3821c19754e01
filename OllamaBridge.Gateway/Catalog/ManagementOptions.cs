using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Catalog;

/// <summary>Changes of the fleet's models: section <c>Bridge:Management</c>.</summary>
internal sealed record ManagementOptions
{
    public const string Section = "Bridge:Management";

    /// <summary>The allowed registries if none are configured: Ollama's library and Hugging Face, under the names that Ollama uses.</summary>
    public static readonly IReadOnlyList<string> DefaultRegistries = ["registry.ollama.ai", "ollama.com", "hf.co", "huggingface.co"];

    /// <summary>Maximum time that a pull, create, copy, delete or upload waits for the previous one.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "1.00:00:00")]
    public TimeSpan MaxWait { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>
    /// Registries that <c>pull</c>, <c>push</c> and <c>create … from</c> may use, instead of <see cref="DefaultRegistries"/>: hosts as in model names,
    /// <c>*.example.com</c>, or <c>*</c> for all.
    /// </summary>
    public IList<string> Registries { get; init; } = [];

    /// <summary>Whether requests may set <c>insecure</c>: for registries without TLS, or with a certificate that is not validated.</summary>
    public bool AllowInsecure { get; init; }
}

[OptionsValidator]
internal sealed partial class ManagementOptionsValidator : IValidateOptions<ManagementOptions>;

/// <summary>Rejects registries that no model name can contain.</summary>
internal sealed class RegistriesValidator : IValidateOptions<ManagementOptions>
{
    public ValidateOptionsResult Validate(string? name, ManagementOptions options)
    {
        var errors = new List<string>();
        for (var i = 0; i < options.Registries.Count; i++)
        {
            var host = options.Registries[i].StartsWith("*.", StringComparison.Ordinal) ? options.Registries[i][2..] : options.Registries[i];
            if (host != "*" && !ModelName.TryGetKey($"{host}/n/m", out _))
                // The value may contain a password, so the message does not repeat it.
                errors.Add($"{ManagementOptions.Section}:Registries:{i}: is not a host such as registry.example:5000, *.example or *.");
        }

        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }
}
