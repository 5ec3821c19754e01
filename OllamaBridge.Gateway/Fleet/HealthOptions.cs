using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Health probes and ejection: section <c>Bridge:Health</c>.</summary>
internal sealed record HealthOptions
{
    public const string Section = "Bridge:Health";

    /// <summary>Time between two probes of a healthy instance (<c>/api/version</c>, <c>/api/ps</c>).</summary>
    [Range(typeof(TimeSpan), "00:00:00.020", "00:10:00")]
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Time between two probes of an instance that is not healthy.</summary>
    [Range(typeof(TimeSpan), "00:00:00.020", "00:10:00")]
    public TimeSpan RecoveryInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Time between two readings of an instance's model list (<c>/api/tags</c>).</summary>
    [Range(typeof(TimeSpan), "00:00:00.020", "01:00:00")]
    public TimeSpan CatalogInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Timeout of one probe.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:01:00")]
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Timeout of an instance's model list. Probes go on while a list takes longer than a probe.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:10:00")]
    public TimeSpan CatalogTimeout { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Consecutive failed probes that make a healthy instance unhealthy. A refused connection does so at once.</summary>
    [Range(1, 100)]
    public int FailuresToEject { get; init; } = 2;

    /// <summary>Consecutive failed requests (5xx, reset, timeout) that eject an instance although its health routes respond.</summary>
    [Range(1, 1000)]
    public int RequestFailuresToEject { get; init; } = 5;

    /// <summary>Minimum duration of an ejection for failed requests; doubled for each consecutive ejection.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "01:00:00")]
    public TimeSpan EjectionTime { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The longest ejection.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "1.00:00:00")]
    public TimeSpan MaxEjectionTime { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How long a recovered instance or placement gets fewer requests while others can serve them; 0 turns this off.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan SlowStart { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether a placement that runs on the CPU gets no requests while another instance has the model in GPU memory.</summary>
    public bool QuarantineCpu { get; init; } = true;
}

[OptionsValidator]
internal sealed partial class HealthOptionsValidator : IValidateOptions<HealthOptions>;
