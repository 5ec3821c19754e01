namespace OllamaBridge.Gateway.Settings;

internal static class SettingsServiceCollectionExtensions
{
    /// <summary>Adds the monitor of configuration files and the health check of rejected changes. <paramref name="configuration"/> has the files.</summary>
    public static IServiceCollection AddSettings(this IServiceCollection services, IConfigurationRoot configuration)
    {
        services.AddSingleton(_ => new ConfigurationFiles(configuration));
        services.AddHealthChecks().AddCheck<SettingsHealthCheck>("settings");
        return services;
    }
}
