using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Settings;

/// <summary>Validates changed settings by the rules of startup, in a separate service provider built from the gateway's registrations.</summary>
internal sealed class SettingsValidation(IServiceCollection services, IServiceProvider gateway)
{
    /// <summary>The running gateway does not change. <paramref name="values"/> have been validated by <see cref="SettingsReader"/>.</summary>
    public (IReadOnlyList<KeyValuePair<Type, object>> Options, IReadOnlyList<string> Mistakes) Validate(IReadOnlyDictionary<string, string?> values)
    {
        using var provider = Build(values);
        var options = new List<KeyValuePair<Type, object>>();
        var mistakes = new List<string>();
        foreach (var type in provider.GetServices<OptionsSection>().Select(s => s.Type).Distinct())
        {
            try
            {
                var made = (IOptions<object>)provider.GetRequiredService(typeof(IOptions<>).MakeGenericType(type));
                options.Add(new(type, made.Value));
            }
            catch (OptionsValidationException e)
            {
                mistakes.AddRange(e.Failures);
            }
        }

        return (options, [.. mistakes.Distinct()]);
    }

    private ServiceProvider Build(IReadOnlyDictionary<string, string?> values)
    {
        var others = gateway.GetRequiredService<IConfiguration>().AsEnumerable()
            .Where(p => !p.Key.StartsWith($"{BridgeSettings.Root}:", StringComparison.OrdinalIgnoreCase));
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(others).AddInMemoryCollection(values).Build();
        var candidate = new ServiceCollection();
        foreach (var service in services)
            candidate.Add(service);
        candidate.Replace(ServiceDescriptor.Singleton<IConfiguration>(configuration));
        candidate.Replace(ServiceDescriptor.Singleton(gateway.GetRequiredService<ILoggerFactory>()));
        candidate.Replace(ServiceDescriptor.Singleton(provider => new BridgeSettings(configuration, provider.GetServices<OptionsSection>())));
        return candidate.BuildServiceProvider();
    }
}
