using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.FunctionalTests.Settings;

/// <summary>The gateway process with invalid settings.</summary>
public sealed class SettingsMistakesTests
{
    [Fact]
    public async Task Start_InvalidSettings_OneLinePerError()
    {
        var ended = await EndedProcess.RunDotnetAsync(
            "OllamaBridge.Gateway.dll",
            [],
            [
                ("ASPNETCORE_URLS", "http://127.0.0.1:0"),
                ("Bridge__Tenants__team__Keys__0", "no-verifier"),
                ("Bridge__Health__Interval", "often"),
                ("Bridge__Tracing__TracesPerSecond", "-1"),
            ],
            TimeSpan.FromSeconds(60));

        Assert.Equal((StartupFailure.ExitCode, ""), (ended.Code, ended.Output));
        var lines = ended.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(4, lines.Length);
        Assert.All(new[] { "Bridge:Tenants:team:Keys:0", "Bridge:Health:Interval", "Bridge:Tracing:TracesPerSecond" }, key => Assert.Single(lines, l => l.Contains(key, StringComparison.Ordinal)));
    }
}
