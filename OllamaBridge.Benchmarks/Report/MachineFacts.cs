using System.Globalization;
using System.Runtime.InteropServices;

namespace OllamaBridge.Benchmarks.Report;

/// <summary>The hardware and the software that the figures depend on.</summary>
internal static class MachineFacts
{
    private const string CpuInfo = "/proc/cpuinfo";

    /// <summary>Processor, cores, memory, operating system and runtime, in one line.</summary>
    public static string Describe()
    {
        var memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (1024.0 * 1024 * 1024);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{Processor()}, {Environment.ProcessorCount} cores, {memory:0} GiB, {RuntimeInformation.OSDescription} ({Environment.OSVersion.VersionString}), {RuntimeInformation.FrameworkDescription}");
    }

    private static string Processor()
    {
        if (!File.Exists(CpuInfo))
            return RuntimeInformation.ProcessArchitecture.ToString();
        var line = File.ReadLines(CpuInfo).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal));
        return line?[(line.IndexOf(':') + 1)..].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
