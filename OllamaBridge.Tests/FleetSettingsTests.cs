using System.Text;
using Aspire.Hosting;
using Microsoft.Extensions.Configuration;
using OllamaBridge.AppHost;
using OllamaBridge.Gateway.Settings;
using OllamaBridge.Gateway.Tests.Settings;

namespace OllamaBridge.Tests;

/// <summary>Settings are read completely, and all errors are reported together with their keys.</summary>
public sealed class FleetSettingsTests
{
    [Fact]
    public void Read_Nothing_Defaults()
    {
        var settings = Read("{}");

        Assert.Equal(FleetBackend.Auto, settings.Backend);
        Assert.Equal(3, settings.Instances);
        Assert.Equal("deepseek-r1:7b", settings.Models);
        Assert.Equal((11400, 11401), (settings.Port, settings.AdminPort));
    }

    [Fact]
    public void Read_OwnAppSettings_KeysAreKnownAndEqualDefaults()
    {
        var file = Path.Combine(Repository.Root, "OllamaBridge.AppHost", "appsettings.json");
        var configuration = new ConfigurationBuilder().AddJsonFile(file).Build();

        var settings = FleetSettingsReader.Read(configuration.GetSection("Fleet"));

        // The values in the file and the defaults in the code must be equal.
        Assert.Equal(new FleetSettings { Server = settings.Server, Tiers = settings.Tiers }, settings);
        Assert.Equal(4, settings.Server.Parallel);
    }

    [Fact]
    public void Guide_KeysAndDefaults_EqualTheSettings()
    {
        const string Page = "docs/aspire/settings.md";
        var documented = SettingsTable.Read(Page, File.ReadAllText(Path.Combine(Repository.Root, Page))).ToArray();
        // Servers have defaults in the file only: without them Ollama's own apply.
        var configured = new ConfigurationBuilder().AddJsonFile(Path.Combine(Repository.Root, "OllamaBridge.AppHost", "appsettings.json")).Build()
            .AsEnumerable().ToDictionary(s => s.Key, s => s.Value);

        var errors = SettingsTable.FindErrors(FleetSettings.Section, SettingTree.Build(typeof(FleetSettings)), documented, configured);

        Assert.True(errors.Count == 0, string.Join(Environment.NewLine, errors));
    }

    [Fact]
    public void Read_Tier_OverridesOnlyConfiguredSettings()
    {
        var settings = Read("""
            { "Server": { "Parallel": 4, "KeepAlive": "10m" },
              "Tiers": { "cold": { "Instances": 2, "Models": "deepseek-r1:70b", "Server": { "Parallel": 1 }, "ExplicitStart": true } } }
            """);

        var tier = settings.Tiers["cold"];
        Assert.Equal(new BridgeServerOptions { Parallel = 1, KeepAlive = "10m" }, tier.Server.Or(settings.Server));
        Assert.True(tier.ExplicitStart);
    }

    [Fact]
    public void Read_ManyErrors_ReportsAllWithKeys()
    {
        var e = Assert.Throws<DistributedApplicationException>(() => Read("""
            { "Backend": "External", "Instances": 0, "Models": "a b", "Port": 70000, "AdminPort": 70000, "Bridges": 0,
              "Server": { "Parallel": 0, "KeepAlive": "soon", "LoadTimeout": "5 minutes", "MaxLoadedModels": -1, "ContextLength": -1 },
              "Limits": { "Cpus": 0, "Memory": "much" }, "Gpus": { "Devices": "first one" },
              "Kubernetes": { "Bridges": 0, "ModelStorage": "100 GB", "ModelStorageClass": "No!", "StateStorage": "0Gi" },
              "Tiers": { "Cold!": { "Instances": 999 } } }
            """));

        foreach (var key in new[]
        {
            "Fleet:Instances", "Fleet:Models", "Fleet:Port", "Fleet:Bridges", "Fleet:Urls", "Fleet:Server:Parallel", "Fleet:Server:KeepAlive",
            "Fleet:Server:LoadTimeout", "Fleet:Server:MaxLoadedModels", "Fleet:Server:ContextLength", "Fleet:Limits:Cpus",
            "Fleet:Limits:Memory", "Fleet:Gpus:Devices", "Fleet:Kubernetes:Bridges",
            "Fleet:Kubernetes:ModelStorage", "Fleet:Kubernetes:ModelStorageClass", "Fleet:Kubernetes:StateStorage", "Fleet:Tiers:Cold!",
            "Fleet:Tiers:Cold!:Instances",
        })
            Assert.Contains($"- {key}:", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{ "Instnaces": 3 }""", "Instnaces")]
    [InlineData("""{ "Backend": "Kubernetes" }""", "Kubernetes")]
    [InlineData("""{ "Backend": "Simulator", "Urls": "http://a:1" }""", "Fleet:Urls")]
    [InlineData("""{ "Urls": "ftp://a:1" }""", "Fleet:Urls")]
    [InlineData("""{ "Models": "" }""", "Fleet:Models")]
    public void Read_Error_ReportsKeyOrValue(string json, string word) =>
        Assert.Contains(word, Assert.Throws<DistributedApplicationException>(() => Read(json)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("10m")]
    [InlineData("1h30m")]
    [InlineData("-1")]
    [InlineData("300")]
    [InlineData("1.5h")]
    public void Read_GoDuration_KeptUnchanged(string text) => Assert.Equal(text, Read($$"""{ "Server": { "KeepAlive": "{{text}}" } }""").Server.KeepAlive);

    private static FleetSettings Read(string json)
    {
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes($$"""{ "Fleet": {{json}} }"""));
        return FleetSettingsReader.Read(new ConfigurationBuilder().AddJsonStream(stream).Build().GetSection("Fleet"));
    }
}
