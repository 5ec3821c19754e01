using System.Diagnostics;
using System.Runtime.CompilerServices;
using Aspire.Hosting;
using Microsoft.Extensions.Configuration;

namespace OllamaBridge.Hosting;

/// <summary>Properties of this machine. Each is read once, at first use.</summary>
internal interface IHostProbe
{
    /// <summary><c>docker</c> or <c>podman</c> if its server answers; null for none.</summary>
    string? ContainerRuntime { get; }

    /// <summary>The number of NVIDIA GPUs.</summary>
    int NvidiaGpus { get; }

    /// <summary>The number of AMD GPUs.</summary>
    int AmdGpus { get; }

    /// <summary>Whether a program is on PATH.</summary>
    bool HasProgram(string name);
}

/// <summary>Reads the real machine through programs that end within seconds.</summary>
internal sealed class HostProbe : IHostProbe
{
    // One per application: state and instances read the same values, and a runtime that hangs costs seconds.
    private static readonly ConditionalWeakTable<IDistributedApplicationBuilder, HostProbe> Probes = new();
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private readonly Lazy<string?> _runtime;
    private readonly Lazy<int> _nvidia = new(() => Lines("nvidia-smi", "-L").Count(l => l.StartsWith("GPU ", StringComparison.Ordinal)));
    private readonly Lazy<int> _amd = new(CountAmd);

    private HostProbe(IConfiguration configuration)
    {
        // Aspire's own keys (KnownConfigNames.ContainerRuntime) select one runtime.
        var named = configuration["ASPIRE_CONTAINER_RUNTIME"] ?? configuration["DOTNET_ASPIRE_CONTAINER_RUNTIME"];
        string[] candidates = string.IsNullOrWhiteSpace(named) ? ["docker", "podman"] : [named.ToLowerInvariant()];
        _runtime = new(() => Array.Find(candidates, Answers));
    }

    /// <summary>The probe of an application.</summary>
    public static HostProbe Of(IDistributedApplicationBuilder builder) => Probes.GetValue(builder, b => new HostProbe(b.Configuration));

    public string? ContainerRuntime => _runtime.Value;

    public int NvidiaGpus => _nvidia.Value;

    public int AmdGpus => _amd.Value;

    public bool HasProgram(string name)
    {
        var file = OperatingSystem.IsWindows() ? $"{name}.exe" : name;
        return (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Any(folder => File.Exists(Path.Combine(folder, file)));
    }

    /// <summary>Whether a runtime's server answers. An installed client alone is not enough.</summary>
    private static bool Answers(string runtime) =>
        Lines(runtime, runtime == "podman" ? "info --format {{.Version.Version}}" : "version --format {{.Server.Version}}").Count > 0;

    // A compute node of the kernel driver's topology with SIMD units is a GPU; the processor's own node has none.
    private static int CountAmd()
    {
        const string Nodes = "/sys/class/kfd/kfd/topology/nodes";
        return File.Exists("/dev/kfd") && Directory.Exists(Nodes)
            ? Directory.EnumerateFiles(Nodes, "properties", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true })
                .Count(f => File.ReadLines(f).Any(l => l.StartsWith("simd_count ", StringComparison.Ordinal) && l != "simd_count 0"))
            : 0;
    }

    private static List<string> Lines(string program, string arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments)
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                UseShellExecute = false,
                CreateNoWindow = true,
            })!;
            var output = process.StandardOutput.ReadToEndAsync();
            _ = process.StandardError.ReadToEndAsync();
            if (!process.WaitForExit(Patience))
            {
                process.Kill(entireProcessTree: true);
                return [];
            }

            return process.ExitCode == 0 ? [.. output.Result.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)] : [];
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or InvalidOperationException)
        {
            return [];
        }
    }
}
