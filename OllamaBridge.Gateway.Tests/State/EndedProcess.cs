using System.Diagnostics;

namespace OllamaBridge.Gateway.Tests.State;

/// <summary>A program that ran to its end.</summary>
/// <param name="Code">Its exit code.</param>
/// <param name="Output">What it wrote for others.</param>
/// <param name="Error">What it complained of.</param>
internal sealed record EndedProcess(int Code, string Output, string Error)
{
    /// <summary>All that it said.</summary>
    public string Said => $"{Output}\n{Error}";

    /// <summary>Runs a program; one that does not end in time is killed, with what it started.</summary>
    /// <param name="file">The program.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="environment">Of its environment, what is not the tests' own.</param>
    /// <param name="input">What it reads; null for nothing.</param>
    /// <param name="within">How long it may take; five minutes where nothing is said.</param>
    public static async Task<EndedProcess> RunAsync(
        string file, IEnumerable<string> arguments, IEnumerable<(string Name, string Value)>? environment = null, string? input = null, TimeSpan? within = null)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(within ?? TimeSpan.FromMinutes(5));
        var start = new ProcessStartInfo(file, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment ?? [])
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        try
        {
            var (output, error) = (process.StandardOutput.ReadToEndAsync(limit.Token), process.StandardError.ReadToEndAsync(limit.Token));
            await process.StandardInput.WriteAsync(input.AsMemory(), limit.Token);
            process.StandardInput.Close();
            await process.WaitForExitAsync(limit.Token);
            return new EndedProcess(process.ExitCode, await output, await error);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }

    /// <summary>Runs a .NET program that lies beside the tests.</summary>
    /// <inheritdoc cref="RunAsync"/>
    public static Task<EndedProcess> RunDotnetAsync(string assembly, IEnumerable<string> arguments, IEnumerable<(string Name, string Value)> environment, TimeSpan within) =>
        RunAsync(RunningProcess.Dotnet, [Path.Combine(AppContext.BaseDirectory, assembly), .. arguments], environment, within: within);
}
