using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway;

/// <summary>How the rooms read their options.</summary>
internal static class BridgeOptionsExtensions
{
    /// <summary>Options read and validated once, when the service starts.</summary>
    /// <remarks>
    /// Not bound to reloads: a monitor would validate each reload inside the configuration's own callback and throw there. What may
    /// change at run time (the list of instances) is read by its owner, who can refuse it and go on.
    /// </remarks>
    public static IServiceCollection AddBridgeOptions<TOptions, [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] TValidator>(
        this IServiceCollection services, string section)
        where TOptions : class
        where TValidator : class, IValidateOptions<TOptions>
    {
        services.AddOptions<TOptions>()
            .Configure<IConfiguration>((options, configuration) => configuration.GetSection(section).Bind(options))
            .ValidateOnStart();
        return services.AddSingleton<IValidateOptions<TOptions>, TValidator>();
    }
}
