using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Tenants;

/// <summary>Access to the bridge: section <c>Bridge:Access</c>.</summary>
internal sealed record AccessOptions
{
    public const string Section = "Bridge:Access";

    /// <summary>Further allowed origins of browsers, as in Ollama's <c>OLLAMA_ORIGINS</c>: <c>https://chat.example</c>, <c>app://*</c>, <c>*</c>.</summary>
    public IList<string> Origins { get; init; } = [];

    /// <summary>Further allowed <c>Host</c> names on loopback, for a proxy on the same machine that keeps the outer name.</summary>
    public IList<string> Hosts { get; init; } = [];

    /// <summary>Whether requests without a key are allowed while no key exists, also from other machines.</summary>
    public bool AllowAnonymous { get; init; }

    /// <summary>Whether requests need a key even while no key exists: for keys that are made through the API.</summary>
    public bool RequireKey { get; init; }

    /// <summary>
    /// Whether requests may use models that run at ollama.com (<c>x:cloud</c>, <c>x:8b-cloud</c>) or on another remote host. Their prompts leave the fleet.
    /// </summary>
    public bool CloudModels { get; init; }

    /// <summary>
    /// Whether messages may name images and other media by URL, which an instance of Kind OpenAI then fetches. Ollama servers refuse URLs themselves.
    /// </summary>
    public bool ImageUrls { get; init; }

    /// <summary>Interval of checks for changes of the tenants by other gateways, if the state is shared: 20 ms to a minute.</summary>
    public TimeSpan TenantsInterval { get; init; } = TimeSpan.FromSeconds(1);
}

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

/// <summary>Rejects malformed origins and hosts, and intervals out of range.</summary>
internal sealed class AccessOptionsValidator : IValidateOptions<AccessOptions>
{
    public ValidateOptionsResult Validate(string? name, AccessOptions options)
    {
        var errors = new List<string>();
        for (var i = 0; i < options.Origins.Count; i++)
            if (options.Origins[i].Contains('@', StringComparison.Ordinal))
                errors.Add($"Bridge:Access:Origins:{i}: contains a user name or password; remove it.");
            else if (options.Origins[i] != "*" && !options.Origins[i].Contains("://", StringComparison.Ordinal))
                errors.Add($"Bridge:Access:Origins:{i}: '{options.Origins[i]}' is not an origin such as https://chat.example or app://*.");
        for (var i = 0; i < options.Hosts.Count; i++)
            if (options.Hosts[i].Contains('@', StringComparison.Ordinal))
                errors.Add($"Bridge:Access:Hosts:{i}: contains a user name or password; remove it.");
            else if (options.Hosts[i].Contains('/', StringComparison.Ordinal) || string.IsNullOrWhiteSpace(options.Hosts[i]))
                errors.Add($"Bridge:Access:Hosts:{i}: '{options.Hosts[i]}' is not a host name such as chat.example.");
        if (options.TenantsInterval < TimeSpan.FromMilliseconds(20) || options.TenantsInterval > TimeSpan.FromMinutes(1))
            errors.Add($"Bridge:Access:TenantsInterval: {options.TenantsInterval} is not between 00:00:00.020 and 00:01:00.");
        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }
}

[OptionsValidator]
internal sealed partial class LimitOptionsValidator : IValidateOptions<LimitOptions>;
