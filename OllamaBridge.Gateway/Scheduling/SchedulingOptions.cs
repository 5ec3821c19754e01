using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Scheduling;

/// <summary>Selection of instances: section <c>Bridge:Scheduling</c>.</summary>
internal sealed record SchedulingOptions
{
    public const string Section = "Bridge:Scheduling";

    /// <summary>The scorers' weights by name, from 0 to 1000; 0 disables a scorer.</summary>
    public IDictionary<string, float> Scorers { get; init; } = new Dictionary<string, float>(StringComparer.OrdinalIgnoreCase)
    {
        // A load costs more than all other criteria together; a cached conversation outweighs an uneven load.
        ["model-loaded"] = 4f,
        ["affinity"] = 2f,
        ["load"] = 1.5f,
        ["time-to-first-token"] = 0.5f,
    };

    /// <summary>The picker's name: <c>best</c> or <c>weighted-random</c>.</summary>
    [Required]
    public string Picker { get; init; } = "best";

    /// <summary>How long a request waits for a busy instance with its model in memory before another instance may load the model, too.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan SpillAfter { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a request for a model that no instance has in memory waits for an idle instance.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan SwapAfter { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long after its last use a model counts as in demand.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan DemandWindow { get; init; } = TimeSpan.FromSeconds(60);
}

[OptionsValidator]
internal sealed partial class SchedulingOptionsValidator : IValidateOptions<SchedulingOptions>;

/// <summary>Rejects unknown names of scorers and pickers, and weights out of range.</summary>
internal sealed class SchedulingPolicyValidator(IEnumerable<IInstanceScorer> scorers, IEnumerable<IInstancePicker> pickers)
    : IValidateOptions<SchedulingOptions>
{
    public ValidateOptionsResult Validate(string? name, SchedulingOptions options)
    {
        var errors = new List<string>();
        var known = scorers.Select(s => s.Name).ToHashSet(StringComparer.OrdinalIgnoreCase);
        foreach (var (scorer, weight) in options.Scorers)
        {
            if (!known.Contains(scorer))
                errors.Add($"Bridge:Scheduling:Scorers:{scorer}: unknown scorer; known scorers are {string.Join(", ", known)}.");
            if (weight is < 0 or > 1000 or float.NaN)
                errors.Add($"Bridge:Scheduling:Scorers:{scorer}: {weight} is not between 0 and 1000.");
        }

        if (!pickers.Any(p => string.Equals(p.Name, options.Picker, StringComparison.OrdinalIgnoreCase)))
            errors.Add($"Bridge:Scheduling:Picker: unknown picker '{options.Picker}'; known pickers are {string.Join(", ", pickers.Select(p => p.Name))}.");
        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }
}
