using Microsoft.Extensions.Options;

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
