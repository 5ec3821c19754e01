using OllamaBridge.Gateway.Tests.State;

namespace OllamaBridge.Gateway.Tests.Deployment;

/// <summary>Prometheus' own tools, where they are on PATH.</summary>
internal static class Promtool
{
    /// <summary>Where a program is; skips the test where it is not on PATH.</summary>
    public static string Find(string program)
    {
        var file = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(f => Path.Combine(f, program)).FirstOrDefault(File.Exists);
        if (file is null)
            Assert.Skip($"{program} is not on PATH");
        return file;
    }

    /// <summary>Runs promtool.</summary>
    /// <param name="arguments">What for.</param>
    /// <param name="input">What it reads; null for nothing.</param>
    /// <returns>Its exit code, and all that it said.</returns>
    public static async Task<(int Code, string Said)> RunAsync(IEnumerable<string> arguments, string? input = null)
    {
        var ended = await EndedProcess.RunAsync(Find("promtool"), arguments, input: input);
        return (ended.Code, ended.Said);
    }
}
