namespace OllamaBridge.Gateway.Settings;

/// <summary>Registers what follows changes of the settings.</summary>
internal static class SettingsServiceCollectionExtensions
{
    /// <summary>Adds the watch over the configuration and its health check.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configuration">The configuration with its files.</param>
    public static IServiceCollection AddSettings(this IServiceCollection services, IConfigurationRoot configuration)
    {
        services.AddSingleton(_ => new ConfigurationFiles(configuration));
        services.AddHostedService<SettingsWatch>();
        services.AddHealthChecks().AddCheck<SettingsHealthCheck>("settings");
        return services;
    }

    /// <summary>Follows changes for as long as the host runs.</summary>
    private sealed class SettingsWatch(BridgeSettings settings) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            settings.Watch();
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
