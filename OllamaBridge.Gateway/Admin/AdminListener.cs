using System.Globalization;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Identity;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Admin;

/// <summary>Where operators reach the bridge: section <c>Bridge:Admin</c>.</summary>
[RestartRequired]
internal sealed record AdminOptions
{
    public const string Section = "Bridge:Admin";

    /// <summary>The setting of <see cref="Urls"/>.</summary>
    public const string UrlsKey = $"{Section}:Urls";

    /// <summary>Addresses for operators alone, separated by semicolons: <c>http://127.0.0.1:11401</c>. None: operators share the clients' addresses.</summary>
    public string Urls { get; init; } = "";
}

/// <summary>The listener for operators, apart from the clients'.</summary>
internal sealed class AdminListener
{
    private readonly int[] _ports;

    public AdminListener(IOptions<AdminOptions> options) => _ports = [.. Split(options.Value.Urls).Select(u => BindingAddress.Parse(u).Port)];

    /// <summary>Whether there is one.</summary>
    public bool Exists => _ports.Length > 0;

    /// <summary>Whether a request came to it.</summary>
    public bool Received(HttpContext context) => Array.IndexOf(_ports, context.Connection.LocalPort) >= 0;

    /// <summary>The addresses in a setting.</summary>
    public static string[] Split(string? urls) => (urls ?? "").Split([';', ','], StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Adds its addresses to the clients', before the server is built.</summary>
    /// <param name="web">The server.</param>
    /// <param name="configuration">The settings.</param>
    /// <param name="clientUrls">Where clients are served if the settings do not say.</param>
    public static void Listen(IWebHostBuilder web, IConfigurationManager configuration, string clientUrls)
    {
        var urls = Split(configuration[AdminOptions.UrlsKey]);
        if (urls.Length == 0)
            return;
        if (configuration.GetSection("Kestrel:Endpoints").Exists())
        {
            // Endpoints of the configuration replace all other addresses, so the operators' become some of them.
            configuration.AddInMemoryCollection(urls.Select((url, i) =>
                KeyValuePair.Create<string, string?>(string.Create(CultureInfo.InvariantCulture, $"Kestrel:Endpoints:Admin{i}:Url"), url)));
            return;
        }

        web.UseUrls([.. ListenRules.Addresses(configuration) is { Count: > 0 } known ? known : [clientUrls], .. urls]);
    }
}

/// <summary>Finds addresses that cannot be told apart from the clients'.</summary>
internal sealed class AdminOptionsValidator(IConfiguration configuration) : IValidateOptions<AdminOptions>
{
    public ValidateOptionsResult Validate(string? name, AdminOptions options)
    {
        var errors = new List<string>();
        var urls = AdminListener.Split(options.Urls);
        // The operators' addresses have been added to the clients'.
        var others = ListenRules.Addresses(configuration).ToList();
        foreach (var url in urls)
            others.Remove(url);
        var clients = others.Select(TryParse).OfType<BindingAddress>().Select(a => a.Port).ToHashSet();
        foreach (var url in urls)
        {
            if (url.Contains('@', StringComparison.Ordinal) || TryParse(url) is not { Port: > 0, IsUnixPipe: false, Scheme: "http" or "https" } address)
                errors.Add($"{AdminOptions.UrlsKey}: {Fleet.InstanceAddress.Mistake(url, "http://127.0.0.1:11401")}");
            else if (clients.Contains(address.Port))
                errors.Add(string.Create(CultureInfo.InvariantCulture, $"{AdminOptions.UrlsKey}: port {address.Port} is the clients'. Choose another one."));
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
