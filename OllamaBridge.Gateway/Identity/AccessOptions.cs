using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Identity;

/// <summary>Who may ask: section <c>Bridge:Access</c>.</summary>
internal sealed record AccessOptions
{
    public const string Section = "Bridge:Access";

    /// <summary>Further origins that browsers may ask from, as in Ollama's <c>OLLAMA_ORIGINS</c>: <c>https://chat.example</c>, <c>app://*</c>, <c>*</c>.</summary>
    public IList<string> Origins { get; init; } = [];

    /// <summary>Further host names under which the bridge may be asked on loopback, for a proxy on the same machine that keeps the outer name.</summary>
    public IList<string> Hosts { get; init; } = [];
}

/// <summary>How much a request may bring: section <c>Bridge:Limits</c>.</summary>
internal sealed record LimitOptions
{
    public const string Section = "Bridge:Limits";

    /// <summary>The largest body of an inference request, in bytes. Uploads of models have no limit.</summary>
    [Range(1024, 2_000_000_000)]
    public long MaxBody { get; init; } = 100 * 1024 * 1024;
}

[OptionsValidator]
internal sealed partial class LimitOptionsValidator : IValidateOptions<LimitOptions>;
