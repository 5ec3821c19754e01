using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Shutdown;

/// <summary>The room that sees to a good end.</summary>
internal static class ShutdownServiceCollectionExtensions
{
    /// <summary>Adds it, and gives the host the time that it takes.</summary>
    public static IServiceCollection AddShutdown(this IServiceCollection services)
    {
        services.AddBridgeOptions<ShutdownOptions, ShutdownOptionsValidator>(ShutdownOptions.Section);
        services.AddSingleton<IValidateOptions<ShutdownOptions>, ShutdownTimesValidator>();
        services.AddSingleton<GracefulStop>();
        services.AddHostedService(provider => provider.GetRequiredService<GracefulStop>());
        services.AddOptions<HostOptions>().Configure<IOptions<ShutdownOptions>>(
            (host, options) => host.ShutdownTimeout = options.Value.GracePeriod + GracefulStop.Reserve);
        services.AddHealthChecks().AddCheck<StopHealthCheck>("shutdown");
        return services;
    }
}
