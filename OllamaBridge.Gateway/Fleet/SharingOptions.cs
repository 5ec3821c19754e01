using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>How gateways share fleet state: section <c>Bridge:Sharing</c>. No effect without shared state.</summary>
[RestartRequired]
internal sealed record SharingOptions
{
    public const string Section = "Bridge:Sharing";

    /// <summary>Time between two exchanges.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:00:05")]
    public TimeSpan Interval { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>How long after its last exchange a gateway's report is valid.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:01:00")]
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>How long a gateway keeps the surplus slots that cannot be divided evenly.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:10:00")]
    public TimeSpan Turn { get; init; } = TimeSpan.FromSeconds(2);
}

[OptionsValidator]
internal sealed partial class SharingOptionsValidator : IValidateOptions<SharingOptions>;

/// <summary>Requires a timeout of several intervals: one lost exchange must not expire a gateway.</summary>
internal sealed class SharingTimesValidator : IValidateOptions<SharingOptions>
{
    public ValidateOptionsResult Validate(string? name, SharingOptions options) => options.Timeout >= 3 * options.Interval
        ? ValidateOptionsResult.Success
        : ValidateOptionsResult.Fail("Bridge:Sharing:Timeout: is less than three times Bridge:Sharing:Interval.");
}
