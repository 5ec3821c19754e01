using System.Text.Json;
using Microsoft.Extensions.Configuration;
using OllamaBridge.Gateway.Admin;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Tests.Tenants;

public class TenantLimitsTests
{
    [Theory]
    [InlineData("""{"limits":{"tokensPerDay":5}}""", false)]
    [InlineData("""{"limits":{"tokensPerDay":5,"failClosed":true}}""", true)]
    public void FailClosed_InDocument_RoundTripsIfSet(string document, bool failClosed)
    {
        var settings = JsonSerializer.Deserialize(document, AdminJson.Default.TenantSettings)!;
        Assert.Equal(failClosed, settings.Limits.FailClosed);
        Assert.Equal(failClosed, JsonSerializer.Serialize(settings, AdminJson.Default.TenantSettings).Contains("\"failClosed\":true", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData("true", true)]
    public void FailClosed_Configured_Read(string? value, bool failClosed)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(
            new Dictionary<string, string?> { ["team:Limits:TokensPerDay"] = "5", ["team:Limits:FailClosed"] = value }).Build();
        var options = new TenantsOptions();
        configuration.Bind(options);
        Assert.Equal(failClosed, Assert.Single(TenantsOptionsValidator.Read(options)).Limits.FailClosed);
    }
}
