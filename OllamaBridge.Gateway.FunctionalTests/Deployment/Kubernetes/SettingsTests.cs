using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using OllamaBridge.Gateway.Discovery.Kubernetes;
using OllamaBridge.Gateway.Settings;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment.Kubernetes;

/// <summary>The overlays set existing settings of the bridge, with valid values.</summary>
public sealed class SettingsTests
{
    private static readonly Assembly Gateway = typeof(GatewayServer).Assembly;

    public static TheoryData<string> Overlays => [.. Overlay.Names];

    [Theory, MemberData(nameof(Overlays))]
    public void Settings_BridgeSettings_PassTheStrictCheck(string name)
    {
        var settings = Settings(name);
        var file = Path.GetTempFileName();
        try
        {
            // In a pod there is a service account; here a file replaces it.
            settings[$"{KubernetesOptions.Section}:KubeConfig"] = file;
            var builder = WebApplication.CreateSlimBuilder();
            builder.Configuration.AddInMemoryCollection(settings);
            // The registrations of all folders.
            foreach (var add in Gateway.GetTypes().Where(t => t.Name.EndsWith("ServiceCollectionExtensions", StringComparison.Ordinal))
                .SelectMany(t => t.GetMethods(BindingFlags.Public | BindingFlags.Static))
                .Where(m => m.GetParameters() is [{ ParameterType: var type }] && type == typeof(IServiceCollection)))
                add.Invoke(null, [builder.Services]);
            using var app = builder.Build();
            app.ValidateOptions();
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>The settings in the environment of the bridge's container, with Secrets filled in.</summary>
    private static Dictionary<string, string?> Settings(string name)
    {
        var overlay = Overlay.Read(name);
        var container = overlay.Bridge.Containers.Single();
        var settings = overlay.Environment(overlay.Bridge, container).ToDictionary(s => s.Key.Replace("__", ":", StringComparison.Ordinal), s => (string?)s.Value);
        foreach (var secret in (container.Env ?? []).Where(e => e.ValueFrom?.SecretKeyRef is not null))
            settings[secret.Name.Replace("__", ":", StringComparison.Ordinal)] = "made-by-whoever-installs-it";
        settings["Bridge:Tenants:operators:Keys:0"] = ApiKey.Create().Verifier.ToString();
        settings["ConnectionStrings:state"] = "state:6379,password=x";
        return settings;
    }
}
