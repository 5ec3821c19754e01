using Microsoft.Extensions.Configuration.EnvironmentVariables;

namespace OllamaBridge.Gateway.Settings;

/// <summary>Finds misplaced sections: a misspelt <c>Bridge</c>, and sections of <c>Bridge</c> at the root.</summary>
internal static class RootKeys
{
    private const int TypingError = 2;
    private static readonly string[] OfTheFramework =
        ["Logging", "Kestrel", "ConnectionStrings", "AllowedHosts", "services", "Urls", "OTEL", "ASPNETCORE", "DOTNET", "HTTP_PORTS", "HTTPS_PORTS", "HttpsRedirection"];

    public static IEnumerable<string> FindMistakes(IConfiguration configuration, SettingObject tree)
    {
        foreach (var section in configuration.GetChildren())
        {
            if (string.Equals(section.Key, BridgeSettings.Root, StringComparison.OrdinalIgnoreCase) || !section.GetChildren().Any())
                continue;
            if (IsMisspelt(section.Key))
                yield return $"{section.Key}: there is no such section. The nearest one is {BridgeSettings.Root}.";
            // The environment has variables of other programs, with any name.
            else if (tree.Members.TryGetValue(section.Key, out var node) && node is not SettingValue && IsFromSettings(configuration, section.Key)
                && !OfTheFramework.Contains(section.Key, StringComparer.OrdinalIgnoreCase))
                yield return $"{section.Key}: is not a section of the gateway. The nearest one is {BridgeSettings.Root}:{tree.Members.GetAt(tree.Members.IndexOf(section.Key)).Key}.";
        }
    }

    private static bool IsMisspelt(string key) =>
        NearestName.Distance(key, BridgeSettings.Root) <= TypingError || key.StartsWith("Bridge_", StringComparison.OrdinalIgnoreCase);

    private static bool IsFromSettings(IConfiguration configuration, string key) =>
        configuration is not IConfigurationRoot root
        || root.Providers.Any(p => p is not EnvironmentVariablesConfigurationProvider && p.GetChildKeys([], key).Any());
}
