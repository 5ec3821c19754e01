using System.Diagnostics;

namespace OllamaBridge.Gateway.FunctionalTests.Fixtures;

/// <summary>A program that has ended, with its exit code, standard output and standard error.</summary>
internal sealed record EndedProcess(int Code, string Output, string Error)
{
    public string Said => $"{Output}\n{Error}";

    /// <summary>Runs a program. If it does not end in time, it is killed together with its child processes.</summary>
    /// <param name="file">The executable.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="environment">Environment variables in addition to those of the tests.</param>
    /// <param name="input">Its standard input; null for none.</param>
    /// <param name="within">The time limit; null for five minutes.</param>
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

    /// <summary>Runs a .NET program from the directory of the tests.</summary>
    /// <inheritdoc cref="RunAsync"/>
    public static Task<EndedProcess> RunDotnetAsync(string assembly, IEnumerable<string> arguments, IEnumerable<(string Name, string Value)> environment, TimeSpan within) =>
        RunAsync(RunningProcess.Dotnet, [Path.Combine(AppContext.BaseDirectory, assembly), .. arguments], environment, within: within);
}
