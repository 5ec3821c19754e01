using OllamaBridge.Benchmarks.EndToEnd;

namespace OllamaBridge.Benchmarks;

/// <summary>What the command line asks for.</summary>
/// <param name="Command">Which benchmark, or which part of one a child process plays.</param>
/// <param name="Quick">Fewer and shorter rounds: shows that it works, proves little.</param>
/// <param name="Output">A Markdown file whose marked section is written anew; null for none.</param>
/// <param name="Rest">What follows the command of a child process.</param>
internal sealed record BenchmarkArguments(string Command, bool Quick, string? Output, IReadOnlyList<string> Rest)
{
    public const string Usage = """
        dotnet run -c Release --project OllamaBridge.Benchmarks -- scheduling|gateway|continuation|tenants|telemetry|all [--quick] [--output docs/benchmarks.md]

          scheduling    the scheduling decision with 10, 100 and 1,000 instances
          gateway       the gateway beside a bare YARP forwarder and a direct connection
          continuation  the gateway with streams kept to be gone on with, beside itself without
          tenants       the gateway with keys, limits and shared state, beside itself without
          telemetry     the gateway with metrics and traces sent to a collector, beside itself with all of it off
          all           all of them
          --quick       fewer and shorter rounds
          --output      writes the tables into the marked sections of this file

        Exit code: 0 every target met, 1 a target missed, 2 not measured.
        """;

    private static readonly string[] Commands = ["scheduling", "gateway", "continuation", "tenants", "telemetry", "all"];
    private static readonly string[] ChildCommands = [SimulatorFleet.Command, BareYarp.Command, TelemetrySink.Command];

    /// <summary>Reads the command line.</summary>
    /// <returns>Null where it is not understood.</returns>
    public static BenchmarkArguments? Parse(string[] args)
    {
        if (args is not [var command, .. var rest])
            return null;
        if (ChildCommands.Contains(command))
            return new BenchmarkArguments(command, Quick: false, Output: null, rest);
        if (!Commands.Contains(command))
            return null;
        var quick = false;
        string? output = null;
        for (var i = 0; i < rest.Length; i++)
        {
            if (rest[i] == "--quick")
                quick = true;
            else if (rest[i] == "--output" && i + 1 < rest.Length)
                output = rest[++i];
            else
                return null;
        }

        return new BenchmarkArguments(command, quick, output, []);
    }
}
