namespace OllamaBridge.Gateway.Identity;

/// <summary>The room at the door.</summary>
internal static class IdentityServiceCollectionExtensions
{
    /// <summary>Adds the guard and its options.</summary>
    public static IServiceCollection AddIdentity(this IServiceCollection services)
    {
        services.AddBridgeOptions<AccessOptions, AccessOptionsValidator>(AccessOptions.Section);
        services.AddBridgeOptions<LimitOptions, LimitOptionsValidator>(LimitOptions.Section);
        services.AddSingleton<AccessGuard>();
        return services;
    }
}
