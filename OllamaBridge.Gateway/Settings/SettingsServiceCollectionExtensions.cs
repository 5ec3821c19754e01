namespace OllamaBridge.Gateway.Settings;

internal static class SettingsServiceCollectionExtensions
{
    public static IServiceCollection AddSettings(this IServiceCollection services, IConfigurationRoot configuration)
    {
        services.AddSingleton(_ => new ConfigurationFiles(configuration));
        services.AddHealthChecks().AddCheck<SettingsHealthCheck>("settings");
        return services;
    }
}
