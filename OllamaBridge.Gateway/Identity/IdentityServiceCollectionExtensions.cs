using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Identity;

/// <summary>The room at the door.</summary>
internal static class IdentityServiceCollectionExtensions
{
    /// <summary>Adds the guard and its options.</summary>
    public static IServiceCollection AddIdentity(this IServiceCollection services)
    {
        services.AddOptions<AccessOptions>().BindConfiguration(AccessOptions.Section);
        services.AddOptions<LimitOptions>().BindConfiguration(LimitOptions.Section).ValidateOnStart();
        services.AddSingleton<IValidateOptions<LimitOptions>, LimitOptionsValidator>();
        services.AddSingleton<AccessGuard>();
        return services;
    }
}
