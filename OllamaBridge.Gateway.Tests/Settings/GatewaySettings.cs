using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Tests.Settings;

/// <summary>The gateway's settings, without a running gateway.</summary>
internal static class GatewaySettings
{
    private static readonly Lazy<OptionsSection[]> AllSections = new(() =>
        [.. WebApplication.CreateEmptyBuilder(new()).AddGateway().Services.Select(s => s.ImplementationInstance).OfType<OptionsSection>()]);

    /// <summary>Every section with its options type.</summary>
    public static IReadOnlyList<OptionsSection> Sections => AllSections.Value;

    public static SettingObject Tree => SettingTree.Build(BridgeSettings.Root, Sections);

    /// <summary>Builds a complete gateway with settings, without a start.</summary>
    public static WebApplication Build(params IEnumerable<KeyValuePair<string, string?>> settings)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.Configuration.AddInMemoryCollection(settings);
        builder.WebHost.UseKestrel();
        return builder.AddGateway().Build();
    }

    /// <summary>The configuration errors of a start.</summary>
    public static IReadOnlyList<string> Mistakes(params IEnumerable<KeyValuePair<string, string?>> settings)
    {
        using var app = Build(settings);
        try
        {
            app.ValidateOptions();
            return [];
        }
        catch (OptionsValidationException e)
        {
            return [.. e.Failures];
        }
    }

    /// <summary>The configuration errors of a start with JSON settings.</summary>
    public static IReadOnlyList<string> MistakesOfJson(string json) => Mistakes(Flatten(json));

    /// <summary>The keys and values that the configuration reads from JSON.</summary>
    public static IEnumerable<KeyValuePair<string, string?>> Flatten(string json)
    {
        using var stream = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(json));
        return [.. new ConfigurationBuilder().AddJsonStream(stream).Build().AsEnumerable()];
    }
}
