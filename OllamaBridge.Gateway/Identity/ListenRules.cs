using System.Net;

namespace OllamaBridge.Gateway.Identity;

/// <summary>Whether settings let others than this machine reach the bridge. Pure.</summary>
internal static class ListenRules
{
    /// <summary>The first address that others can reach; null for none.</summary>
    /// <remarks>Where ASP.NET Core looks: <c>Kestrel:Endpoints</c>, else <c>urls</c>, else <c>http_ports</c> and <c>https_ports</c>, which mean every address.</remarks>
    public static string? FindOpenAddress(IConfiguration configuration)
    {
        var endpoints = configuration.GetSection("Kestrel:Endpoints").GetChildren().Select(e => e["Url"]).OfType<string>().ToList();
        if (endpoints.Count > 0)
            return endpoints.Find(IsOpen);
        if (configuration["urls"] is { Length: > 0 } urls)
            return Array.Find(urls.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries), IsOpen);
        return configuration["http_ports"] is { Length: > 0 } http ? $"http://*:{http}"
            : configuration["https_ports"] is { Length: > 0 } https ? $"https://*:{https}"
            : null;
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
