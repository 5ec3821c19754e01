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
        where TOptions : class, new()
        where TValidator : class, IValidateOptions<TOptions>
    {
        services.AddOptions<TOptions>()
            .Configure<IConfiguration>((options, configuration) => Bind(configuration.GetSection(section), options))
            .ValidateOnStart();
        return services.AddSingleton<IValidateOptions<TOptions>>(provider => new SectionValidator<TOptions>(
            section, ActivatorUtilities.CreateInstance<TValidator>(provider), provider.GetRequiredService<IConfiguration>()));
    }

    /// <summary>Validates all options before anything is made of them.</summary>
    /// <exception cref="OptionsValidationException">With every mistake of every section.</exception>
    public static void ValidateOptions(this IHost host)
    {
        try
        {
            host.Services.GetService<IStartupValidator>()?.Validate();
        }
        catch (AggregateException e) when (e.InnerExceptions.All(i => i is OptionsValidationException))
        {
            var failures = e.InnerExceptions.Cast<OptionsValidationException>().SelectMany(i => i.Failures);
            throw new OptionsValidationException("Bridge", typeof(BridgeOptionsExtensions), failures);
        }
    }

    /// <returns>What could not be read; null where all could.</returns>
    private static string? Bind<TOptions>(IConfigurationSection section, TOptions options)
    {
        try
        {
            section.Bind(options);
            return null;
        }
        catch (InvalidOperationException e)
        {
            return e.Message;
        }
    }

    /// <summary>Names mistakes by their configuration key, and those that are no value of their type, too.</summary>
    private sealed class SectionValidator<TOptions>(string section, IValidateOptions<TOptions> validator, IConfiguration configuration)
        : IValidateOptions<TOptions>
        where TOptions : class, new()
    {
        public ValidateOptionsResult Validate(string? name, TOptions options)
        {
            if (Bind(configuration.GetSection(section), new TOptions()) is { } unreadable)
                return ValidateOptionsResult.Fail(unreadable);
            var result = validator.Validate(name, options);
            return result.Failures is { } failures
                ? ValidateOptionsResult.Fail(failures.Select(f => f.StartsWith("Bridge:", StringComparison.Ordinal) ? f : $"{section}:{f}"))
                : result;
        }
    }
}
