namespace OllamaBridge.Simulator;

/// <summary>The command: several simulated servers in one process.</summary>
internal static class SimulatorProgram
{
    public static async Task<int> Main(string[] args)
    {
        await using var server = await SimulatedServer.StartAsync(new SimulatorOptions { Port = args.Length > 0 ? int.Parse(args[0], System.Globalization.CultureInfo.InvariantCulture) : 0 });
        Console.WriteLine(server.Url);
        return 0;
    }
}
