using System.Globalization;
using System.Runtime.InteropServices;
using OllamaBridge.Simulator.Control;
using OllamaBridge.Simulator.Telemetry;

namespace OllamaBridge.Simulator;

/// <summary>The command: one or several simulated servers in one process, with one model folder.</summary>
internal static class SimulatorProgram
{
    public static async Task<int> Main(string[] args)
    {
        CommandLine line;
        try
        {
            line = CommandLine.Parse(args, Environment.GetEnvironmentVariable);
        }
        catch (FormatException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 2;
        }
        List<SimulatedServer> servers = [];
        var stop = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        ControlServer? control = null;
        try
        {
            foreach (var port in line.Ports)
            {
                var server = await SimulatedServer.StartAsync(line.Options with { Port = port });
                servers.Add(server);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{server.Url} models={server.Store.Models.Count} slots={server.Options.ParallelSlots} max-loaded={server.Options.MaxLoadedModels}"));
            }
            if (line.ControlPort is { } controlPort)
            {
                control = await ControlServer.StartAsync(controlPort, servers);
                Console.WriteLine($"{control.Url} control: /<port>/__sim/kill, …");
            }
            using var telemetry = SimulatorTelemetry.Start(servers);
            await stop.Task;
            return 0;
        }
        catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
        finally
        {
            if (control is not null)
                await control.DisposeAsync();
            foreach (var server in servers)
                await server.DisposeAsync();
        }

        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.TrySetResult();
        }
    }
}
