using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Identity;

/// <summary>Who may ask: section <c>Bridge:Access</c>.</summary>
internal sealed record AccessOptions
{
    public const string Section = "Bridge:Access";

    /// <summary>Further origins that browsers may ask from, as in Ollama's <c>OLLAMA_ORIGINS</c>: <c>https://chat.example</c>, <c>app://*</c>, <c>*</c>.</summary>
    public IList<string> Origins { get; init; } = [];

    /// <summary>Further host names under which the bridge may be asked on loopback, for a proxy on the same machine that keeps the outer name.</summary>
    public IList<string> Hosts { get; init; } = [];

    /// <summary>Whether everybody who reaches the bridge may use it while there are no keys, also from other machines.</summary>
    public bool AllowAnonymous { get; init; }

    /// <summary>Whether nobody gets in without a key even while there is none: for keys that are made through the API.</summary>
    public bool RequireKey { get; init; }

    /// <summary>Whether requests may use models that run at ollama.com (<c>x:cloud</c>, <c>x:8b-cloud</c>) or on another remote host. Their prompts leave the fleet.</summary>
    public bool CloudModels { get; init; }

    /// <summary>Whether messages may name images and other media by an address, which an instance of Kind OpenAI then fetches. Ollama servers refuse addresses themselves.</summary>
    public bool ImageUrls { get; init; }

    /// <summary>Time between two looks at whether another gateway has changed the tenants, where the state is shared: 20 ms to a minute.</summary>
    public TimeSpan TenantsInterval { get; init; } = TimeSpan.FromSeconds(1);
}

/// <summary>How much a request may bring: section <c>Bridge:Limits</c>.</summary>
internal sealed record LimitOptions
{
    public const string Section = "Bridge:Limits";

    /// <summary>The largest body of an inference request, in bytes. Uploads of models have no limit.</summary>
    [Range(1024, 2_000_000_000)]
    public long MaxBody { get; init; } = 100 * 1024 * 1024;

    /// <summary>The most bytes of a request's header fields; more is answered 431. Ollama takes 1 MiB.</summary>
    [Range(32 * 1024, 16 * 1024 * 1024)]
    [RestartRequired]
    public int MaxHeaderBytes { get; init; } = 1024 * 1024;

    /// <summary>The most header fields of a request; more is answered 431.</summary>
    [Range(100, 10_000)]
    public int MaxHeaderFields { get; init; } = 256;

    /// <summary>How long a client may make no progress in taking its answer or in sending its body. Then its connection is closed and its slot is free.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan SlowClientTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Bytes of a body up to which it is kept in memory; a larger one is kept in a file.</summary>
    [Range(4096, 64 * 1024 * 1024)]
    public int BodyMemoryThreshold { get; init; } = 1024 * 1024;

    /// <summary>Bytes of memory that all bodies together may take.</summary>
    [Range(1024 * 1024, 1L << 40)]
    [RestartRequired]
    public long MaxBodyMemory { get; init; } = 256L * 1024 * 1024;

    /// <summary>Bytes of disk that all bodies together may take.</summary>
    [Range(1024 * 1024, 1L << 44)]
    [RestartRequired]
    public long MaxBodyDisk { get; init; } = 4L * 1024 * 1024 * 1024;

    /// <summary>How long a body waits for room before its request gets 503.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan BodyWait { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The folder of bodies that are kept in files; null for the system's temporary folder.</summary>
    public string? SpoolDirectory { get; init; }

    /// <summary>The slowest that a body may come, in bytes a second; below it the request ends with 408.</summary>
    [Range(1.0, 1e9)]
    public double MinBodyRate { get; init; } = 240;

    /// <summary>How long a body may be slower than that, at first; more than a second.</summary>
    [Range(typeof(TimeSpan), "00:00:01.001", "01:00:00")]
    public TimeSpan BodyGracePeriod { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>Finds origins and hosts that could match nothing, and times that make no sense.</summary>
internal sealed class AccessOptionsValidator : IValidateOptions<AccessOptions>
{
    public ValidateOptionsResult Validate(string? name, AccessOptions options)
    {
        var errors = new List<string>();
        for (var i = 0; i < options.Origins.Count; i++)
            if (options.Origins[i].Contains('@', StringComparison.Ordinal))
                errors.Add($"Bridge:Access:Origins:{i}: has a user name or password in it; an origin has none.");
            else if (options.Origins[i] != "*" && !options.Origins[i].Contains("://", StringComparison.Ordinal))
                errors.Add($"Bridge:Access:Origins:{i}: '{options.Origins[i]}' is no origin such as https://chat.example or app://*.");
        for (var i = 0; i < options.Hosts.Count; i++)
            if (options.Hosts[i].Contains('@', StringComparison.Ordinal))
                errors.Add($"Bridge:Access:Hosts:{i}: has a user name or password in it; a host name has none.");
            else if (options.Hosts[i].Contains('/', StringComparison.Ordinal) || string.IsNullOrWhiteSpace(options.Hosts[i]))
                errors.Add($"Bridge:Access:Hosts:{i}: '{options.Hosts[i]}' is no host name such as chat.example.");
        if (options.TenantsInterval < TimeSpan.FromMilliseconds(20) || options.TenantsInterval > TimeSpan.FromMinutes(1))
            errors.Add($"Bridge:Access:TenantsInterval: {options.TenantsInterval} is not between 00:00:00.020 and 00:01:00.");
        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }
}

[OptionsValidator]
internal sealed partial class LimitOptionsValidator : IValidateOptions<LimitOptions>;
