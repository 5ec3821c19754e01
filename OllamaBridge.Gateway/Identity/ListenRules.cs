using System.Net;

namespace OllamaBridge.Gateway.Identity;

/// <summary>Whether settings let others than this machine reach the bridge. Pure.</summary>
internal static class ListenRules
{
    /// <summary>The first address that others can reach; null for none.</summary>
    /// <remarks>Where ASP.NET Core looks: <c>Kestrel:Endpoints</c>, else <c>urls</c>, else <c>http_ports</c> and <c>https_ports</c>, which mean every address.</remarks>
    public static string? FindOpenAddress(IConfiguration configuration)
    {
        // Behind the operators' addresses there are no models.
        var admin = Admin.AdminListener.Split(configuration[Admin.AdminOptions.UrlsKey]);
        return Addresses(configuration).FirstOrDefault(a => IsOpen(a) && !admin.Contains(a, StringComparer.OrdinalIgnoreCase));
    }

    /// <summary>All addresses of the settings, as ASP.NET Core reads them.</summary>
    public static IReadOnlyList<string> Addresses(IConfiguration configuration)
    {
        var endpoints = configuration.GetSection("Kestrel:Endpoints").GetChildren().Select(e => e["Url"]).OfType<string>().ToList();
        if (endpoints.Count > 0)
            return endpoints;
        if (configuration["urls"] is { Length: > 0 } urls)
            return urls.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return [.. Ports("http"), .. Ports("https")];

        IEnumerable<string> Ports(string scheme) =>
            (configuration[$"{scheme}_ports"] ?? "").Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(p => $"{scheme}://*:{p}");
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
            // Kestrel will say what is wrong with it.
            return false;
        }
    }
}
