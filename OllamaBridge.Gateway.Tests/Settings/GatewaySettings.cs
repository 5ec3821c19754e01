using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Tests.Settings;

/// <summary>The gateway's settings without a running gateway.</summary>
internal static class GatewaySettings
{
    private static readonly Lazy<OptionsSection[]> AllSections = new(() =>
        [.. WebApplication.CreateEmptyBuilder(new()).AddGateway().Services.Select(s => s.ImplementationInstance).OfType<OptionsSection>()]);

    /// <summary>Every section with its options type.</summary>
    public static IReadOnlyList<OptionsSection> Sections => AllSections.Value;

    /// <summary>All valid settings.</summary>
    public static SettingObject Tree => SettingTree.Build(BridgeSettings.Root, Sections);

    /// <summary>A whole gateway with settings, not started.</summary>
    public static WebApplication Build(params IEnumerable<KeyValuePair<string, string?>> settings)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.Configuration.AddInMemoryCollection(settings);
        builder.WebHost.UseKestrel();
        return builder.AddGateway().Build();
    }

    /// <summary>The mistakes of a start.</summary>
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

    /// <summary>The same for JSON.</summary>
    public static IReadOnlyList<string> MistakesOfJson(string json) => Mistakes(Flatten(json));

    /// <summary>What the configuration reads of JSON.</summary>
    public static IEnumerable<KeyValuePair<string, string?>> Flatten(string json)
    {
        using var stream = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(json));
        return [.. new ConfigurationBuilder().AddJsonStream(stream).Build().AsEnumerable()];
    }
}
