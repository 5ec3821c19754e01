using OllamaBridge.Gateway.FunctionalTests.Fixtures;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment;

/// <summary>Runs Prometheus' own tools from PATH.</summary>
internal static class Promtool
{
    /// <summary>The path of a program; skips the test if the program is not on PATH.</summary>
    public static string Find(string program)
    {
        var file = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(f => Path.Combine(f, program)).FirstOrDefault(File.Exists);
        if (file is null)
            Assert.Skip($"{program} is not on PATH");
        return file;
    }

    /// <summary>Runs promtool.</summary>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="input">Its standard input; null for none.</param>
    /// <returns>Its exit code, and its output.</returns>
    public static async Task<(int Code, string Said)> RunAsync(IEnumerable<string> arguments, string? input = null)
    {
        var ended = await EndedProcess.RunAsync(Find("promtool"), arguments, input: input);
        return (ended.Code, ended.Said);
    }
}
