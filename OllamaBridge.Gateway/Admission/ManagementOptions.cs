using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Admission;

/// <summary>Changes of the fleet's models: section <c>Bridge:Management</c>.</summary>
internal sealed record ManagementOptions
{
    public const string Section = "Bridge:Management";

    /// <summary>The registries that may be used if none are configured: Ollama's library and Hugging Face, as Ollama names them.</summary>
    public static readonly IReadOnlyList<string> DefaultRegistries = ["registry.ollama.ai", "ollama.com", "hf.co", "huggingface.co"];

    /// <summary>How long a pull, create, copy, delete or upload waits for the one before it.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "1.00:00:00")]
    public TimeSpan MaxWait { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Registries that <c>pull</c>, <c>push</c> and <c>create … from</c> may use, instead of <see cref="DefaultRegistries"/>: hosts as they stand in model names, <c>*.example.com</c>, or <c>*</c> for all.</summary>
    public IList<string> Registries { get; init; } = [];

    /// <summary>Whether requests may set <c>insecure</c>: registries without TLS, or with a certificate that is not checked.</summary>
    public bool AllowInsecure { get; init; }
}

[OptionsValidator]
internal sealed partial class ManagementOptionsValidator : IValidateOptions<ManagementOptions>;

/// <summary>Finds registries that no model name can have.</summary>
internal sealed class RegistriesValidator : IValidateOptions<ManagementOptions>
{
    public ValidateOptionsResult Validate(string? name, ManagementOptions options)
    {
        var errors = new List<string>();
        for (var i = 0; i < options.Registries.Count; i++)
        {
            var host = options.Registries[i].StartsWith("*.", StringComparison.Ordinal) ? options.Registries[i][2..] : options.Registries[i];
            if (host != "*" && !Fleet.ModelName.TryGetKey($"{host}/n/m", out _))
                // A password in it is not repeated.
                errors.Add($"{ManagementOptions.Section}:Registries:{i}: is not a host such as registry.example:5000, *.example or *.");
        }

        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }
}
