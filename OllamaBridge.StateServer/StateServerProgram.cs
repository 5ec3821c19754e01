using Microsoft.Extensions.Configuration;
using OllamaBridge.ServiceDefaults;

namespace OllamaBridge.StateServer;

/// <summary>The entry point: runs one server until it receives a signal to stop.</summary>
internal static class StateServerProgram
{
    public static async Task<int> Main(string[] args)
    {
        var line = StateServerCommand.Create(Environment.GetEnvironmentVariable, RunAsync).Parse(args);
        if (line.Errors.Count > 0)
        {
            foreach (var error in line.Errors)
                await Console.Error.WriteLineAsync(error.Message);
            return 1;
        }
        // The host, not the parser, handles signals.
        return await line.InvokeAsync(new() { ProcessTerminationTimeout = null });
    }

    private static async Task<int> RunAsync(StateServerOptions options, CancellationToken stop)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new() { ApplicationName = "OllamaBridge.StateServer" });
        // The empty builder does not read environment variables, which configure the OTLP exporters.
        builder.Configuration.AddEnvironmentVariables();
        builder.ConfigureOpenTelemetry();
        builder.Services.AddOpenTelemetry().WithMetrics(metrics => metrics.AddMeter(StateTelemetry.Name));
        builder.Logging
            .AddSimpleConsole(console => console.SingleLine = true)
            .SetMinimumLevel(LogLevel.Warning)
            .AddFilter(typeof(GarnetService).FullName, LogLevel.Information)
            // A failed start is reported below, in one line.
            .AddFilter("Microsoft.Extensions.Hosting", LogLevel.None);
        builder.Services.AddSingleton(options).AddSingleton<StateTelemetry>().AddHostedService<GarnetService>();
        try
        {
            await builder.Build().RunAsync(stop);
            return 0;
        }
        catch (StateServerException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
    }
}
