namespace OllamaBridge.Gateway.Fleet.Gpu;

/// <summary>One reading of one GPU. Null for values that the source does not report.</summary>
/// <param name="Gpu">Its index on its machine, in the source's spelling.</param>
/// <param name="Utilization">The share of busy time, 0 to 1.</param>
/// <param name="MemoryUsed">In bytes.</param>
/// <param name="MemoryTotal">In bytes.</param>
/// <param name="Temperature">In degrees Celsius.</param>
internal sealed record GpuReading(string Gpu, double? Utilization, long? MemoryUsed, long? MemoryTotal, double? Temperature)
{
    /// <summary>The maximum number of GPUs read from one source; more than any machine has.</summary>
    public const int Most = 64;

    /// <summary>The bytes of a MiB, the unit of both sources.</summary>
    public const long Mebibyte = 1024 * 1024;
}
