using OllamaBridge.Benchmarks.EndToEnd;

namespace OllamaBridge.Benchmarks;

/// <summary>The parsed command line.</summary>
/// <param name="Command">A benchmark, or the server that a child process runs.</param>
/// <param name="Quick">Runs fewer and shorter rounds, as a smoke test. The figures are not meaningful.</param>
/// <param name="Output">The Markdown file whose marked section is overwritten; null writes to the console only.</param>
/// <param name="Baseline">The folder of the build that <c>compare</c> compares with; null for other commands.</param>
/// <param name="Rest">The arguments after the command of a child process.</param>
internal sealed record BenchmarkArguments(string Command, bool Quick, string? Output, string? Baseline, IReadOnlyList<string> Rest)
{
    public const string Usage = """
        dotnet run -c Release --project OllamaBridge.Benchmarks -- scheduling|gateway|continuation|tenants|telemetry|compare|all [--quick] [--output docs/benchmarks.md]

          scheduling    the scheduling decision with 10, 100 and 1,000 instances
          gateway       the gateway compared with a bare YARP forwarder and a direct connection
          continuation  the gateway with resumption of interrupted streams, compared with the gateway without it
          tenants       the gateway with keys, limits and shared state, compared with the gateway without them
          telemetry     the gateway with metrics and traces sent to a collector, compared with the gateway without telemetry
          compare --baseline FOLDER
                        the gateway compared with another build, whose FOLDER contains OllamaBridge.Gateway.dll
          all           all of them, except compare
          --quick       fewer and shorter rounds
          --output      writes the tables into the marked sections of this file

        Exit code: 0 every target met, 1 a target missed, 2 not measured.
        """;

    private static readonly string[] Commands = ["scheduling", "gateway", "continuation", "tenants", "telemetry", CompareCommand.Name, "all"];
    private static readonly string[] ChildCommands = [SimulatorFleet.Command, BareYarp.Command, TelemetrySink.Command];

    /// <returns>Null if the arguments are invalid.</returns>
    public static BenchmarkArguments? Parse(string[] args)
    {
        if (args is not [var command, .. var rest])
            return null;
        if (ChildCommands.Contains(command))
            return new BenchmarkArguments(command, Quick: false, Output: null, Baseline: null, rest);
        if (!Commands.Contains(command))
            return null;
        var quick = false;
        string? output = null;
        string? baseline = null;
        for (var i = 0; i < rest.Length; i++)
        {
            if (rest[i] == "--quick")
                quick = true;
            else if (rest[i] == "--output" && i + 1 < rest.Length)
                output = rest[++i];
            else if (rest[i] == "--baseline" && i + 1 < rest.Length && command == CompareCommand.Name)
                baseline = rest[++i];
            else
                return null;
        }

        return command == CompareCommand.Name && baseline is null ? null : new BenchmarkArguments(command, quick, output, baseline, []);
    }
}
