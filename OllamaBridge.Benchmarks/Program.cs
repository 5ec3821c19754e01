using System.Net.Sockets;
using System.Runtime.InteropServices;
using OllamaBridge.Benchmarks;
using OllamaBridge.Benchmarks.EndToEnd;
using OllamaBridge.Benchmarks.Scheduling;

var arguments = BenchmarkArguments.Parse(args);
if (arguments is null)
{
    await Console.Error.WriteLineAsync(BenchmarkArguments.Usage);
    return ExitCodes.NotMeasured;
}

// Ctrl-C ends the measuring, not the process: what was started is stopped on the way out.
using var stop = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);
try
{
    switch (arguments.Command)
    {
        case "scheduling":
            return SchedulingCommand.Run(arguments);
        case "gateway":
            return await GatewayCommand.RunAsync(arguments, stop.Token);
        case "all":
            return Math.Max(SchedulingCommand.Run(arguments), await GatewayCommand.RunAsync(arguments, stop.Token));
        case "serve-simulators":
            await SimulatorFleet.ServeAsync(stop.Token);
            return ExitCodes.Met;
        default:
            await BareYarp.ServeAsync(arguments.Rest, stop.Token);
            return ExitCodes.Met;
    }
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    await Console.Error.WriteLineAsync("Stopped.");
    return ExitCodes.NotMeasured;
}
catch (Exception e) when (e is MeasurementException or IOException or HttpRequestException or SocketException or TimeoutException or OperationCanceledException)
{
    await Console.Error.WriteLineAsync($"Not measured: {e.Message}");
    return ExitCodes.NotMeasured;
}

void Stop(PosixSignalContext context)
{
    context.Cancel = true;
    stop.Cancel();
}
