using System.ComponentModel.DataAnnotations;
using System.Net;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Fleet.Discovery;

/// <summary>Whom DNS is asked of: section <c>Bridge:Dns</c>. Without effect where no entry has <c>Discovery: Srv</c> or <c>Dns</c>.</summary>
[RestartRequired]
internal sealed record DnsOptions
{
    public const string Section = "Bridge:Dns";

    /// <summary>Servers, separated by commas, for example <c>10.96.0.10</c> or <c>127.0.0.1:5353</c>; the system's when absent.</summary>
    public string? Servers { get; init; }

    /// <summary>Domains that short names may be in, separated by commas; those of <c>/etc/resolv.conf</c> when absent.</summary>
    public string? Search { get; init; }

    /// <summary>How long one look for a group may take, all its questions together.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:01:00")]
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Reads the servers.</summary>
    /// <param name="servers">As configured.</param>
    /// <param name="mistake">The first that is none; null where all are right.</param>
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

    /// <summary>The parts of a list.</summary>
    public static string[] Split(string? list) => (list ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
}

[OptionsValidator]
internal sealed partial class DnsOptionsValidator : IValidateOptions<DnsOptions>;

/// <summary>Reports what is no server's address.</summary>
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
