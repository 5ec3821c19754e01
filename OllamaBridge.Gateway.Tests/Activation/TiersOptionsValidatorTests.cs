using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Activation;
using OllamaBridge.Gateway.Discovery.Kubernetes;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Tests.Settings;

namespace OllamaBridge.Gateway.Tests.Activation;

public sealed class TiersOptionsValidatorTests
{
    private static readonly TierOptions Fine = new() { Models = ["big"], Activator = "http", Url = "http://127.0.0.1:9" };

    [Fact]
    public void Validate_TwoTiers_Valid() =>
        Assert.Empty(Validate(new() { ["cold"] = Fine, ["rare"] = Fine with { Models = ["other"], Instances = "rare-*" } }));

    public static TheoryData<string, string> Mistakes => new()
    {
        { "Models", "Bridge:Tiers:cold:Models: " },
        { "NoModel", "Bridge:Tiers:cold:Models:0: " },
        { "Twice", "Bridge:Tiers:cold:Models:1: " },
        { "Activator", "Bridge:Tiers:cold:Activator: 'Nomad' is unknown; use Kubernetes or Http." },
        { "NoActivator", "Bridge:Tiers:cold:Activator: " },
        { "Url", "Bridge:Tiers:cold:Url: " },
        { "MaxInstances", "Bridge:Tiers:cold:MaxInstances: " },
        { "IdleTime", "Bridge:Tiers:cold:IdleTime: " },
        { "StartTimeout", "Bridge:Tiers:cold:StartTimeout: " },
        { "Instances", "Bridge:Tiers:cold:Instances: " },
        { "NoPod", "Bridge:Tiers:cold:Activator: the bridge does not run in a pod" },
    };

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void Validate_Mistake_NamesItsKey(string mistake, string expected) => Assert.StartsWith(
        expected,
        Assert.Single(Validate(new()
        {
            ["cold"] = mistake switch
            {
                "Models" => Fine with { Models = [] },
                "NoModel" => Fine with { Models = ["a b"] },
                "Twice" => Fine with { Models = ["big", "BIG:latest"] },
                "Activator" => Fine with { Activator = "Nomad" },
                "NoActivator" => Fine with { Activator = null },
                "Url" => Fine with { Url = "localhost" },
                "MaxInstances" => Fine with { MaxInstances = 0 },
                "IdleTime" => Fine with { IdleTime = TimeSpan.Zero },
                "StartTimeout" => Fine with { StartTimeout = TimeSpan.FromDays(2) },
                "Instances" => Fine with { Instances = "*" },
                _ => Fine with { Activator = "Kubernetes" },
            },
        })),
        StringComparison.Ordinal);

    [Fact]
    public void Validate_TwoTiersShareModelAndInstance_BothReported()
    {
        var errors = Validate(new() { ["cold"] = Fine, ["cold-2"] = Fine });
        Assert.Equal(
            [
                "Bridge:Tiers:cold-2:Models:0: 'big' is listed twice, also in the tier 'cold'.",
                "Bridge:Tiers:cold-2:Instances: overlaps with the instances of the tier 'cold'.",
            ],
            errors);
    }

    [Fact]
    public void Start_UnknownActivator_FailsWithKey() => Assert.Contains(
        GatewaySettings.Mistakes([new("Bridge:Tiers:cold:Models:0", "big"), new("Bridge:Tiers:cold:Activator", "Nomad")]),
        e => e.Contains("Bridge:Tiers:cold:Activator: 'Nomad' is unknown", StringComparison.Ordinal));

    private static IEnumerable<string> Validate(TiersOptions options) => new TiersOptionsValidator(Options.Create(new KubernetesOptions())).Validate(null, options).Failures ?? [];
}
