using System.ComponentModel;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;

namespace OllamaBridge.Gateway.FunctionalTests.Clients;

/// <summary>Unmodified npm clients, run by the script in <c>clients/</c>. Needs Node.js and `npm ci --prefix clients`.</summary>
public sealed class NpmClientsTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Clients_OllamaOpenAIAnthropic_Work(bool withHeartbeats)
    {
        var script = Path.Combine(Root(), "clients", "check.mjs");
        Assert.SkipUnless(await HasNodeAsync(), "Node.js is not on PATH");
        Assert.SkipUnless(Directory.Exists(Path.Combine(Root(), "clients", "node_modules")), "clients/node_modules is not there: npm ci --prefix clients");
        await using var fleet = await TestFleet.StartAsync(3, SimulatorOptions.Instant with { ParallelSlots = 4, DecodePerToken = TimeSpan.FromMilliseconds(5) }, TestFleet.Model, "nomic-embed-text");
        // The lists also contain a model of a cold tier.
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers,
            ("Bridge:Queue:ProgressInterval", "00:00:00.05"),
            ("Bridge:Tiers:cold:Models:0", "llama3:70b"),
            ("Bridge:Tiers:cold:Activator", "Http"),
            ("Bridge:Tiers:cold:Url", "http://127.0.0.1:1"));
        // Every first token is late, so that heartbeats precede it.
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
        var ended = await EndedProcess.RunAsync(program, arguments, [("PROGRESS", withHeartbeats ? "1" : "")], within: TimeSpan.FromMinutes(2));
        return (ended.Code, ended.Output + ended.Error);
    }

    private static string Root()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "OllamaBridge.sln")))
            directory = directory.Parent;
        return directory!.FullName;
    }
}
