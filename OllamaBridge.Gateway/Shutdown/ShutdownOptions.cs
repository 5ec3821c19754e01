using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Shutdown;

/// <summary>Graceful shutdown: section <c>Bridge:Shutdown</c>.</summary>
[RestartRequired]
internal sealed record ShutdownOptions
{
    public const string Section = "Bridge:Shutdown";

    /// <summary>Time after the signal to stop for which running requests may continue.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan GracePeriod { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Time after the signal for which new requests are still accepted, while each response closes its connection and <c>/health</c> reports 503, so that
    /// load balancers can stop sending requests.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan Delay { get; init; } = TimeSpan.Zero;
}

[OptionsValidator]
internal sealed partial class ShutdownOptionsValidator : IValidateOptions<ShutdownOptions>;

/// <summary>Validates that the delay, which is a part of the grace period, does not exceed it.</summary>
internal sealed class ShutdownTimesValidator : IValidateOptions<ShutdownOptions>
{
    public ValidateOptionsResult Validate(string? name, ShutdownOptions options) => options.Delay <= options.GracePeriod
        ? ValidateOptionsResult.Success
        : ValidateOptionsResult.Fail("Bridge:Shutdown:Delay: must not be longer than Bridge:Shutdown:GracePeriod.");
}
