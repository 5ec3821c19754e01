using System.Collections.Concurrent;
using System.Diagnostics;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment.Kubernetes;

/// <summary>The output of <c>kubectl kustomize</c> for a folder, if kubectl is on PATH. It needs no cluster.</summary>
internal static class Kubectl
{
    private static readonly ConcurrentDictionary<string, Lazy<(int Code, string Output, string Error)>> Built = new(StringComparer.Ordinal);

    /// <summary>The objects of a folder as YAML. Each folder is built once for all tests.</summary>
    public static string Kustomize(string folder)
    {
        var program = Promtool.Find("kubectl");
        var (code, output, error) = Built.GetOrAdd(folder, path => new(() => Run(program, path))).Value;
        Assert.True(code == 0, error);
        return output;
    }

    private static (int Code, string Output, string Error) Run(string program, string folder)
    {
        using var process = Process.Start(
            new ProcessStartInfo(program, ["kustomize", folder]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }
}
