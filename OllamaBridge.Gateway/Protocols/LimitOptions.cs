using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Limits of request bodies and headers: section <c>Bridge:Limits</c>.</summary>
internal sealed record LimitOptions
{
    public const string Section = "Bridge:Limits";

    /// <summary>Maximum body size of an inference request, in bytes. Uploads of models have no limit.</summary>
    [Range(1024, 2_000_000_000)]
    public long MaxBody { get; init; } = 100 * 1024 * 1024;

    /// <summary>Maximum total size of a request's header fields, in bytes; a larger request gets status 431. Ollama accepts 1 MiB.</summary>
    [Range(32 * 1024, 16 * 1024 * 1024)]
    [RestartRequired]
    public int MaxHeaderBytes { get; init; } = 1024 * 1024;

    /// <summary>Maximum number of header fields of a request; a request with more gets status 431.</summary>
    [Range(100, 10_000)]
    public int MaxHeaderFields { get; init; } = 256;

    /// <summary>
    /// Maximum time without progress of a client that reads its response or sends its body. Then the bridge closes its connection and frees its slot.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan SlowClientTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Body size in bytes up to which a body is kept in memory; a larger one is kept in a file.</summary>
    [Range(4096, 64 * 1024 * 1024)]
    public int BodyMemoryThreshold { get; init; } = 1024 * 1024;

    /// <summary>Maximum memory of all bodies together, in bytes.</summary>
    [Range(1024 * 1024, 1L << 40)]
    [RestartRequired]
    public long MaxBodyMemory { get; init; } = 256L * 1024 * 1024;

    /// <summary>Maximum disk space of all bodies together, in bytes.</summary>
    [Range(1024 * 1024, 1L << 44)]
    [RestartRequired]
    public long MaxBodyDisk { get; init; } = 4L * 1024 * 1024 * 1024;

    /// <summary>How long a body waits for memory or disk space before its request gets status 503.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan BodyWait { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Folder of bodies that are kept in files; null for the system's temporary folder.</summary>
    public string? SpoolDirectory { get; init; }

    /// <summary>Minimum rate of a request body in bytes per second; a slower request gets status 408.</summary>
    [Range(1.0, 1e9)]
    public double MinBodyRate { get; init; } = 240;

    /// <summary>Time at the start of a body during which the minimum rate does not apply; more than a second.</summary>
    [Range(typeof(TimeSpan), "00:00:01.001", "01:00:00")]
    public TimeSpan BodyGracePeriod { get; init; } = TimeSpan.FromSeconds(5);
}

[OptionsValidator]
internal sealed partial class LimitOptionsValidator : IValidateOptions<LimitOptions>;
