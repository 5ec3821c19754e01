using System.Net.Sockets;
using OllamaBridge.Benchmarks;
using OllamaBridge.Benchmarks.EndToEnd;
using OllamaBridge.Benchmarks.Scheduling;

var arguments = BenchmarkArguments.Parse(args);
if (arguments is null)
{
    await Console.Error.WriteLineAsync(BenchmarkArguments.Usage);
    return ExitCodes.NotMeasured;
}

try
{
    // No child process runs beside the scheduling benchmark, so Ctrl-C may end the process directly.
    var scheduling = arguments.Command is "scheduling" or "all" ? SchedulingCommand.Run(arguments) : ExitCodes.Met;
    if (arguments.Command == "scheduling")
        return scheduling;

    using var interruption = new Interruption();
    switch (arguments.Command)
    {
        case SimulatorFleet.Command:
            await SimulatorFleet.ServeAsync(interruption.Token);
            return ExitCodes.Met;
        case BareYarp.Command:
            await BareYarp.ServeAsync(arguments.Rest, interruption.Token);
            return ExitCodes.Met;
        case "gateway":
            return await GatewayCommand.RunAsync(arguments, interruption.Token);
        case "continuation":
            return await ContinuationCommand.RunAsync(arguments, interruption.Token);
        case TelemetrySink.Command:
            await TelemetrySink.ServeAsync(interruption.Token);
            return ExitCodes.Met;
        case "telemetry":
            return await TelemetryCommand.RunAsync(arguments, interruption.Token);
        case CompareCommand.Name:
            return await CompareCommand.RunAsync(arguments, interruption.Token);
        case "tenants":
            return await TenantsCommand.RunAsync(arguments, interruption.Token);
        default:
            var code = Math.Max(scheduling, await GatewayCommand.RunAsync(arguments, interruption.Token));
            code = Math.Max(code, await ContinuationCommand.RunAsync(arguments, interruption.Token));
            code = Math.Max(code, await TenantsCommand.RunAsync(arguments, interruption.Token));
            return Math.Max(code, await TelemetryCommand.RunAsync(arguments, interruption.Token));
    }
}
catch (Exception e) when (e is MeasurementException or IOException or HttpRequestException or SocketException or TimeoutException or OperationCanceledException)
{
    await Console.Error.WriteLineAsync($"Not measured: {e.Message}");
    return ExitCodes.NotMeasured;
}
