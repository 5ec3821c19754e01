using System.Diagnostics;

namespace OllamaBridge.Gateway.Tests.EndToEnd;

/// <summary>The program as it is started by hand or by an orchestrator, with settings that are wrong.</summary>
public sealed class SettingsMistakesTests
{
    [Fact]
    public async Task Start_WrongSettings_EndsAtOnceAndTellsEachInALine()
    {
        var start = new ProcessStartInfo(
            Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", [Path.Combine(AppContext.BaseDirectory, "OllamaBridge.Gateway.dll")])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Path.GetTempPath(),
            Environment =
            {
                ["ASPNETCORE_URLS"] = "http://127.0.0.1:0",
                ["Bridge__Tenants__team__Keys__0"] = "no-verifier",
                ["Bridge__Health__Interval"] = "often",
                ["Bridge__Tracing__TracesPerSecond"] = "-1",
            },
        };

        using var process = Process.Start(start)!;
        var (said, printed) = (process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken), process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken));
        await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);

        Assert.Equal((SettingsMistakes.ExitCode, ""), (process.ExitCode, await printed));
        var lines = (await said).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(4, lines.Length);
        Assert.All(new[] { "Bridge:Tenants:team:Keys:0", "Bridge:Health:Interval", "Bridge:Tracing:TracesPerSecond" }, key => Assert.Single(lines, l => l.Contains(key, StringComparison.Ordinal)));
    }
}
