using System.ComponentModel.DataAnnotations;
using System.Net;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Discovery;

/// <summary>The DNS queries of discovery: section <c>Bridge:Dns</c>. Without effect unless an entry has <c>Discovery: Srv</c> or <c>Dns</c>.</summary>
[RestartRequired]
internal sealed record DnsOptions
{
    public const string Section = "Bridge:Dns";

    /// <summary>DNS servers, separated by commas, for example <c>10.96.0.10</c> or <c>127.0.0.1:5353</c>; null for the system's.</summary>
    public string? Servers { get; init; }

    /// <summary>Search domains for short names, separated by commas; null for those of <c>/etc/resolv.conf</c>.</summary>
    public string? Search { get; init; }

    /// <summary>The time limit of one discovery of a group, for all of its queries together.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:01:00")]
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Parses <see cref="Servers"/>; the default port is 53. <paramref name="mistake"/> is the first invalid entry; null if all are valid.</summary>
    public static IReadOnlyList<IPEndPoint> ReadServers(string? servers, out string? mistake)
    {
        const int DnsPort = 53;
        mistake = null;
        var list = new List<IPEndPoint>();
        foreach (var text in Split(servers))
            if (IPEndPoint.TryParse(text, out var server))
                list.Add(server.Port == 0 ? new IPEndPoint(server.Address, DnsPort) : server);
            else
                mistake ??= text;
        return list;
    }

    public static string[] Split(string? list) => (list ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
}

[OptionsValidator]
internal sealed partial class DnsOptionsValidator : IValidateOptions<DnsOptions>;

/// <summary>Reports an invalid server address.</summary>
internal sealed class DnsServersValidator : IValidateOptions<DnsOptions>
{
    public ValidateOptionsResult Validate(string? name, DnsOptions options)
    {
        DnsOptions.ReadServers(options.Servers, out var mistake);
        return mistake is null
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail($"Bridge:Dns:Servers: '{mistake}' is not an address such as 10.96.0.10 or 127.0.0.1:5353.");
    }
}
