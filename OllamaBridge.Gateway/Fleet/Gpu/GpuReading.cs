namespace OllamaBridge.Gateway.Fleet.Gpu;

/// <summary>A reading of one GPU: utilization from 0 to 1, memory in bytes, degrees Celsius. Null for values that the source does not report.</summary>
internal sealed record GpuReading(string Gpu, double? Utilization, long? MemoryUsed, long? MemoryTotal, double? Temperature)
{
    public const int Most = 64;

    public const long Mebibyte = 1024 * 1024;
}
