using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Admission;

/// <summary>Changing the fleet's models: section <c>Bridge:Management</c>.</summary>
internal sealed record ManagementOptions
{
    public const string Section = "Bridge:Management";

    /// <summary>How long a pull, create, copy, delete or upload waits for the one before it.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "1.00:00:00")]
    public TimeSpan MaxWait { get; init; } = TimeSpan.FromMinutes(10);
}

[OptionsValidator]
internal sealed partial class ManagementOptionsValidator : IValidateOptions<ManagementOptions>;
