using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using OllamaBridge.Gateway.Identity;
using OllamaBridge.Gateway.Kubernetes;

namespace OllamaBridge.Gateway.Tests.Deployment.Kubernetes;

/// <summary>The overlays set existing settings of the bridge, with valid values.</summary>
public sealed class SettingsTests
{
    private static readonly Assembly Gateway = typeof(GatewayServer).Assembly;

    /// <summary>The configuration sections and their option types.</summary>
    private static readonly Dictionary<string, Type> Sections = Gateway.GetTypes()
        .Select(t => (Type: t, Section: t.GetField("Section", BindingFlags.Public | BindingFlags.Static)?.GetValue(null) as string))
        .Where(t => t.Section is not null).DistinctBy(t => t.Section).ToDictionary(t => t.Section!, t => t.Type, StringComparer.OrdinalIgnoreCase);

    public static TheoryData<string> Overlays => [.. Overlay.Names];

    [Theory, MemberData(nameof(Overlays))]
    public void Keys_BridgeSettings_AllKnown(string name) =>
        Assert.All(Settings(name).Keys.Where(k => k.StartsWith("Bridge:", StringComparison.Ordinal)), key => Assert.True(IsKnown(key), $"The bridge has no setting {key}."));

    [Theory, MemberData(nameof(Overlays))]
    public void Values_BridgeSettings_AllValid(string name)
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

    private static bool IsKnown(string key)
    {
        var parts = key.Split(':');
        for (var length = parts.Length - 1; length > 0; length--)
            if (Sections.TryGetValue(string.Join(':', parts[..length]), out var type))
                return Leads(type, parts[length..]);
        return false;
    }

    private static bool Leads(Type type, ReadOnlySpan<string> path)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (path.IsEmpty)
            return type.IsValueType || type == typeof(string);
        if (Made(type, typeof(IDictionary<,>)) is { } map)
            return Leads(map.GenericTypeArguments[1], path[1..]);
        if (type != typeof(string) && Made(type, typeof(IEnumerable<>)) is { } list)
            return int.TryParse(path[0], out _) && Leads(list.GenericTypeArguments[0], path[1..]);
        return type.GetProperty(path[0]) is { } property && Leads(property.PropertyType, path[1..]);
    }

    private static Type? Made(Type type, Type of) =>
        type.GetInterfaces().Append(type).FirstOrDefault(i => i.IsGenericType && i.GetGenericTypeDefinition() == of);
}
