namespace OllamaBridge.Gateway.Settings;

/// <summary>Registers what follows changes of the settings.</summary>
internal static class SettingsServiceCollectionExtensions
{
    /// <summary>Adds the watch over the files of the configuration, and the health check of refused changes.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configuration">The configuration with its files.</param>
    public static IServiceCollection AddSettings(this IServiceCollection services, IConfigurationRoot configuration)
    {
        services.AddSingleton(_ => new ConfigurationFiles(configuration));
        services.AddHealthChecks().AddCheck<SettingsHealthCheck>("settings");
        return services;
    }
}
