using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Shutdown;

/// <summary>How the gateway ends: section <c>Bridge:Shutdown</c>.</summary>
[RestartRequired]
internal sealed record ShutdownOptions
{
    public const string Section = "Bridge:Shutdown";

    /// <summary>How long what is under way may go on after the signal to stop.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan GracePeriod { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// How long after the signal requests are still taken, while each answer closes its connection and <c>/health</c> says that the gateway stops: until
    /// whoever sends requests here has heard of it.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan Delay { get; init; } = TimeSpan.Zero;
}

[OptionsValidator]
internal sealed partial class ShutdownOptionsValidator : IValidateOptions<ShutdownOptions>;

/// <summary>The delay is a part of the grace period.</summary>
internal sealed class ShutdownTimesValidator : IValidateOptions<ShutdownOptions>
{
    public ValidateOptionsResult Validate(string? name, ShutdownOptions options) => options.Delay <= options.GracePeriod
        ? ValidateOptionsResult.Success
        : ValidateOptionsResult.Fail("Bridge:Shutdown:Delay: is longer than Bridge:Shutdown:GracePeriod.");
}
