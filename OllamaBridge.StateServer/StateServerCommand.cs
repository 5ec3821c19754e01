using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Net;
using System.Text;

namespace OllamaBridge.StateServer;

/// <summary>The command line; a flag wins over its environment variable.</summary>
internal static class StateServerCommand
{
    /// <summary>Declares the flags.</summary>
    /// <param name="environment">Reads an environment variable.</param>
    /// <param name="run">What to do with what was asked for; its result is the exit code.</param>
    public static RootCommand Create(Func<string, string?> environment, Func<StateServerOptions, CancellationToken, Task<int>> run)
    {
        var port = new Option<string?>("--port") { Description = $"Port on 127.0.0.1, {StateServerOptions.DefaultPort} by default [STATE_PORT]" };
        var password = new Option<string?>("--password")
        {
            Description = "What clients must say first; better in the environment, where no list of processes shows it [STATE_PASSWORD]",
        };
        var data = new Option<string?>("--data") { Description = "Folder that keeps the data; without one they are in memory only [STATE_DATA]" };
        var command = new RootCommand("Serves the Redis protocol on this machine, for whoever has no Redis.") { port, password, data };
        command.Validators.Add(line => Read(line, line.AddError));
        command.SetAction((line, stop) => run(Read(line.CommandResult, _ => { }), stop));
        return command;

        StateServerOptions Read(CommandResult line, Action<string> report)
        {
            var number = StateServerOptions.DefaultPort;
            if (Text(line, port, "STATE_PORT") is { } text
                && (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) || number is < 1 or > IPEndPoint.MaxPort))
                report($"'{text}' is no port: --port (STATE_PORT) is between 1 and {IPEndPoint.MaxPort}.");
            var secret = Text(line, password, "STATE_PASSWORD");
            // Garnet compares ASCII: any other letter would be as good as any other.
            if (secret is not null && !Ascii.IsValid(secret))
                report("--password (STATE_PASSWORD) may only have ASCII characters.");
            return new StateServerOptions(number, secret, Text(line, data, "STATE_DATA"));
        }

        string? Text(CommandResult line, Option<string?> option, string variable) =>
            (line.GetResult(option)?.Tokens is [var token, ..] ? token.Value : environment(variable)) is { Length: > 0 } value ? value : null;
    }
}
