using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Net;
using System.Text;

namespace OllamaBridge.StateServer;

/// <summary>The command line. A flag overrides its environment variable.</summary>
internal static class StateServerCommand
{
    /// <summary>Creates the command.</summary>
    /// <param name="environment">Reads an environment variable; null if it is not set.</param>
    /// <param name="run">Runs the server and returns the exit code.</param>
    public static RootCommand Create(Func<string, string?> environment, Func<StateServerOptions, CancellationToken, Task<int>> run)
    {
        var port = new Option<string?>("--port") { Description = $"Port on 127.0.0.1, {StateServerOptions.DefaultPort} by default [STATE_PORT]" };
        var password = new Option<string?>("--password")
        {
            Description = "Password of clients; prefer the environment variable, which process lists do not show [STATE_PASSWORD]",
        };
        var data = new Option<string?>("--data") { Description = "Data folder; without one the data are kept in memory only [STATE_DATA]" };
        var command = new RootCommand("Serves the Redis protocol on this machine, for machines without Redis.") { port, password, data };
        command.Validators.Add(line => Read(line, line.AddError));
        command.SetAction((line, stop) => run(Read(line.CommandResult, _ => { }), stop));
        return command;

        StateServerOptions Read(CommandResult line, Action<string> report)
        {
            var number = StateServerOptions.DefaultPort;
            if (Text(line, port, "STATE_PORT") is { } text
                && (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) || number is < 1 or > IPEndPoint.MaxPort))
                report($"'{text}' is not a port: --port (STATE_PORT) must be between 1 and {IPEndPoint.MaxPort}.");
            var secret = Text(line, password, "STATE_PASSWORD");
            // Garnet compares passwords as ASCII, in which all other characters are equal.
            if (secret is not null && !Ascii.IsValid(secret))
                report("--password (STATE_PASSWORD) may contain only ASCII characters.");
            return new StateServerOptions(number, secret, Text(line, data, "STATE_DATA"));
        }

        string? Text(CommandResult line, Option<string?> option, string variable) =>
            (line.GetResult(option)?.Tokens is [var token, ..] ? token.Value : environment(variable)) is { Length: > 0 } value ? value : null;
    }
}
