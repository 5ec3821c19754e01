using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Shutdown;

internal static class ShutdownServiceCollectionExtensions
{
    public static IServiceCollection AddShutdown(this IServiceCollection services)
    {
        services.AddBridgeOptions<ShutdownOptions, ShutdownOptionsValidator>(ShutdownOptions.Section);
        services.AddSingleton<IValidateOptions<ShutdownOptions>, ShutdownTimesValidator>();
        services.AddSingleton<GracefulStop>();
        services.AddHostedService(provider => provider.GetRequiredService<GracefulStop>());
        services.AddHealthChecks().AddCheck<StopHealthCheck>("shutdown");
        return services;
    }
}
