using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Settings;

internal static class BridgeOptionsExtensions
{
    /// <summary>Validated at startup, and updated by accepted changes. Every public property is a setting (<see cref="RestartRequiredAttribute"/>).</summary>
    public static IServiceCollection AddBridgeOptions<TOptions, [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] TValidator>(
        this IServiceCollection services, string section)
        where TOptions : class, new()
        where TValidator : class, IValidateOptions<TOptions>
    {
        services.TryAddSingleton(provider => BridgeSettings.Follow(
            provider.GetRequiredService<IConfiguration>(),
            provider.GetServices<OptionsSection>(),
            new SettingsValidation(services, provider),
            provider.GetService<ConfigurationFiles>(),
            provider.GetService<ILogger<BridgeSettings>>()));
        services.AddSingleton(new OptionsSection(section, typeof(TOptions)));
        services.AddOptions<TOptions>()
            .Configure<BridgeSettings>((options, settings) => settings.Current.Configuration.GetSection(section).Bind(options))
            .ValidateOnStart();
        services.AddSingleton<IOptions<TOptions>>(provider => new LiveOptions<TOptions>(
            provider.GetRequiredService<BridgeSettings>(), provider.GetRequiredService<IOptionsFactory<TOptions>>()));
        return services.AddSingleton<IValidateOptions<TOptions>>(provider => new SectionValidator<TOptions>(
            section, ActivatorUtilities.CreateInstance<TValidator>(provider), provider.GetRequiredService<BridgeSettings>()));
    }

    /// <exception cref="OptionsValidationException">Contains every error of every section once.</exception>
    public static void ValidateOptions(this IHost host)
    {
        try
        {
            host.Services.GetService<IStartupValidator>()?.Validate();
        }
        catch (AggregateException e) when (e.InnerExceptions.All(i => i is OptionsValidationException))
        {
            throw Join(e.InnerExceptions.Cast<OptionsValidationException>());
        }
        catch (OptionsValidationException e)
        {
            throw Join([e]);
        }
    }

    private static OptionsValidationException Join(IEnumerable<OptionsValidationException> mistakes) =>
        new(BridgeSettings.Root, typeof(BridgeOptionsExtensions), mistakes.SelectMany(i => i.Failures).Distinct());

    /// <summary>Adds configuration keys to errors, and adds the errors of unreadable values.</summary>
    private sealed class SectionValidator<TOptions>(string section, IValidateOptions<TOptions> validator, BridgeSettings settings)
        : IValidateOptions<TOptions>
        where TOptions : class
    {
        public ValidateOptionsResult Validate(string? name, TOptions options)
        {
            string[] failures =
            [
                .. settings.MistakesOf(section),
                .. (validator.Validate(name, options).Failures ?? []).Select(f => f.StartsWith("Bridge:", StringComparison.Ordinal) ? f : $"{section}:{f}"),
            ];
            return failures.Length == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
        }
    }
}
