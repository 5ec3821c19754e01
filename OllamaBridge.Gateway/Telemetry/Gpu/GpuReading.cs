namespace OllamaBridge.Gateway.Telemetry.Gpu;

/// <summary>How one GPU was when somebody looked. What its source does not tell is null.</summary>
/// <param name="Gpu">Its index on its machine, as its source writes it.</param>
/// <param name="Utilization">The share of time in which it worked, 0 to 1.</param>
/// <param name="MemoryUsed">Bytes in use.</param>
/// <param name="MemoryTotal">Bytes that there are.</param>
/// <param name="Temperature">Degrees Celsius.</param>
internal sealed record GpuReading(string Gpu, double? Utilization, long? MemoryUsed, long? MemoryTotal, double? Temperature)
{
    /// <summary>More GPUs than any machine has; what a foreign text lists beyond them is not read.</summary>
    public const int Most = 64;

    /// <summary>Bytes of a MiB, the unit of both sources.</summary>
    public const long Mebibyte = 1024 * 1024;
}
