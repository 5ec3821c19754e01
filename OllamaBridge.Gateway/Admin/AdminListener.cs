using System.Globalization;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Settings;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Admin;

/// <summary>Listener for operators: section <c>Bridge:Admin</c>.</summary>
[RestartRequired]
internal sealed record AdminOptions
{
    public const string Section = "Bridge:Admin";

    /// <summary>Addresses for operators only, separated by semicolons: <c>http://127.0.0.1:11401</c>. If empty, operators use the clients' addresses.</summary>
    public string Urls { get; init; } = "";
}

internal sealed class AdminListener
{
    private readonly int[] _ports;

    public AdminListener(IOptions<AdminOptions> options) => _ports = [.. ListenRules.SplitAdminUrls(options.Value.Urls).Select(u => BindingAddress.Parse(u).Port)];

    public bool Exists => _ports.Length > 0;

    public bool Received(HttpContext context) => Array.IndexOf(_ports, context.Connection.LocalPort) >= 0;

    /// <summary>Adds its addresses to the clients'. <paramref name="clientUrls"/> applies if the settings contain no addresses of clients.</summary>
    public static void Listen(IWebHostBuilder web, IConfigurationManager configuration, string clientUrls)
    {
        var urls = ListenRules.SplitAdminUrls(configuration[ListenRules.AdminUrlsKey]);
        if (urls.Length == 0)
            return;
        if (configuration.GetSection("Kestrel:Endpoints").Exists())
        {
            // Endpoints of the configuration replace all other addresses, so the operators' addresses must be endpoints as well.
            configuration.AddInMemoryCollection(urls.Select((url, i) =>
                KeyValuePair.Create<string, string?>(string.Create(CultureInfo.InvariantCulture, $"Kestrel:Endpoints:Admin{i}:Url"), url)));
            return;
        }

        web.UseUrls([.. ListenRules.Addresses(configuration) is { Count: > 0 } known ? known : [clientUrls], .. urls]);
    }
}

/// <summary>Rejects invalid addresses and ports that clients use as well.</summary>
internal sealed class AdminOptionsValidator(IConfiguration configuration) : IValidateOptions<AdminOptions>
{
    public ValidateOptionsResult Validate(string? name, AdminOptions options)
    {
        var errors = new List<string>();
        var urls = ListenRules.SplitAdminUrls(options.Urls);
        // The operators' addresses have already been added to the clients'.
        var others = ListenRules.Addresses(configuration).ToList();
        foreach (var url in urls)
            others.Remove(url);
        var clients = others.Select(TryParse).OfType<BindingAddress>().Select(a => a.Port).ToHashSet();
        foreach (var url in urls)
        {
            if (url.Contains('@', StringComparison.Ordinal) || TryParse(url) is not { Port: > 0, IsUnixPipe: false, Scheme: "http" or "https" } address)
                errors.Add($"{ListenRules.AdminUrlsKey}: {InstanceAddress.Mistake(url, "http://127.0.0.1:11401")}");
            else if (clients.Contains(address.Port))
                errors.Add(string.Create(CultureInfo.InvariantCulture, $"{ListenRules.AdminUrlsKey}: port {address.Port} is used for clients. Choose another port."));
        }

        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }

    private static BindingAddress? TryParse(string url)
    {
        try
        {
            return BindingAddress.Parse(url);
        }
        catch (FormatException)
        {
            return null;
        }
    }
}
