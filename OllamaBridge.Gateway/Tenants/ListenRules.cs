using System.Net;

namespace OllamaBridge.Gateway.Tenants;

/// <summary>Decides from the settings whether other machines can reach the bridge. Pure.</summary>
internal static class ListenRules
{
    public const string AdminUrlsKey = "Bridge:Admin:Urls";

    public static string[] SplitAdminUrls(string? urls) => (urls ?? "").Split([';', ','], StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    public static string? FindOpenAddress(IConfiguration configuration)
    {
        // The operators' addresses serve no models.
        var admin = SplitAdminUrls(configuration[AdminUrlsKey]);
        return Addresses(configuration).FirstOrDefault(a => IsOpen(a) && !admin.Contains(a, StringComparer.OrdinalIgnoreCase));
    }

    /// <summary>As ASP.NET Core: <c>Kestrel:Endpoints</c>, else <c>urls</c>, else <c>http_ports</c> and <c>https_ports</c>, which mean every address.</summary>
    public static IReadOnlyList<string> Addresses(IConfiguration configuration)
    {
        var endpoints = configuration.GetSection("Kestrel:Endpoints").GetChildren().Select(e => e["Url"]).OfType<string>().ToList();
        if (endpoints.Count > 0)
            return endpoints;
        if (configuration["urls"] is { Length: > 0 } urls)
            return urls.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return [.. Ports("http"), .. Ports("https")];

        IEnumerable<string> Ports(string scheme) =>
            (configuration[$"{scheme}_ports"] ?? "").Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
                .Select(p => $"{scheme}://*:{p}");
    }

    private static bool IsOpen(string url)
    {
        try
        {
            var address = BindingAddress.Parse(url);
            return !address.IsUnixPipe
                && !string.Equals(address.Host, "localhost", StringComparison.OrdinalIgnoreCase)
                && !(IPAddress.TryParse(address.Host.Trim('[', ']'), out var ip) && IPAddress.IsLoopback(ip));
        }
        catch (FormatException)
        {
            // Kestrel reports the error.
            return false;
        }
    }
}
