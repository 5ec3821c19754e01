using System.ComponentModel;
using System.Diagnostics;
using OllamaBridge.Simulator;

namespace OllamaBridge.Gateway.Tests.EndToEnd;

/// <summary>The npm clients, unchanged, by the script in <c>clients/</c>. Needs Node.js and `npm install --prefix clients`.</summary>
public sealed class NpmClientsTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Clients_OllamaOpenAIAnthropic_NoticeNothing(bool withHeartbeats)
    {
        var script = Path.Combine(Root(), "clients", "check.mjs");
        Assert.SkipUnless(await HasNodeAsync(), "Node.js is not on PATH");
        Assert.SkipUnless(Directory.Exists(Path.Combine(Root(), "clients", "node_modules")), "clients/node_modules is not there: npm install --prefix clients");
        await using var fleet = await TestFleet.StartAsync(3, SimulatorOptions.Instant with { ParallelSlots = 4, DecodePerToken = TimeSpan.FromMilliseconds(5) }, TestFleet.Model, "nomic-embed-text");
        // A model of a tier that sleeps is in their lists, too.
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers,
            ("Bridge:Queue:ProgressInterval", "00:00:00.05"),
            ("Bridge:Tiers:cold:Models:0", "llama3:70b"),
            ("Bridge:Tiers:cold:Activator", "Http"),
            ("Bridge:Tiers:cold:Url", "http://127.0.0.1:1"));
        // Every first token late, so that heartbeats come before it.
        if (withHeartbeats)
            foreach (var server in fleet.Servers)
                server.Faults.Add(new Fault { Kind = FaultKind.SlowFirstToken, Delay = TimeSpan.FromMilliseconds(200) });

        var (code, output) = await RunAsync("node", withHeartbeats, script, bridge.Url.ToString());

        Assert.True(code == 0, output);
        Assert.Contains(" 0 failed", output, StringComparison.Ordinal);
    }

    private static async Task<bool> HasNodeAsync()
    {
        try
        {
            return (await RunAsync("node", false, "--version")).Code == 0;
        }
        catch (Win32Exception)
        {
            return false;
        }
    }

    private static async Task<(int Code, string Output)> RunAsync(string program, bool withHeartbeats, params string[] arguments)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromMinutes(2));
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PROGRESS"] = withHeartbeats ? "1" : "";
        using var process = Process.Start(start)!;
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var error = process.StandardError.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return (process.ExitCode, await output + await error);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }

    private static string Root()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "OllamaBridge.sln")))
            directory = directory.Parent;
        return directory!.FullName;
    }
}
