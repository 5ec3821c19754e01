using System.Globalization;
using System.Text.RegularExpressions;

namespace OllamaBridge.Gateway.Fleet.Gpu;

/// <summary>Reads the DCGM exporter's metrics: utilization in percent, memory in MiB. Source: the exporter's <c>default-counters.csv</c>. Pure.</summary>
internal static partial class DcgmText
{
    public static IReadOnlyList<GpuReading> Read(string text)
    {
        var gpus = new SortedDictionary<int, (double? Utilization, double? Used, double? Free, double? Temperature)>();
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            // Excluded: parts of a GPU (MIG). DCGM reports unsupported values as very large numbers.
            if (!line.StartsWith("DCGM_FI_DEV_", StringComparison.Ordinal) || line.Contains("GPU_I_ID=", StringComparison.Ordinal)
                || Sample().Match(line.ToString()) is not { Success: true } sample
                || !double.TryParse(sample.Groups["value"].ValueSpan, NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
                || value is not (>= 0 and < 1e9)
                || !int.TryParse(Index().Match(sample.Groups["labels"].Value).Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var gpu)
                || (gpus.Count == GpuReading.Most && !gpus.ContainsKey(gpu)))
                continue;
            var known = gpus.GetValueOrDefault(gpu);
            gpus[gpu] = sample.Groups["name"].Value switch
            {
                "GPU_UTIL" => known with { Utilization = value },
                "FB_USED" => known with { Used = value },
                "FB_FREE" => known with { Free = value },
                "GPU_TEMP" => known with { Temperature = value },
                _ => known,
            };
        }

        return
        [
            .. gpus.Where(g => g.Value != default).Select(g => new GpuReading(
                g.Key.ToString(CultureInfo.InvariantCulture),
                g.Value.Utilization / 100,
                Bytes(g.Value.Used),
                Bytes(g.Value.Used + g.Value.Free),
                g.Value.Temperature)),
        ];
    }

    private static long? Bytes(double? mebibytes) => mebibytes is >= 0 and < 1e9 and var known ? (long)(known * GpuReading.Mebibyte) : null;

    [GeneratedRegex(@"^DCGM_FI_DEV_(?<name>GPU_UTIL|FB_USED|FB_FREE|GPU_TEMP)\{(?<labels>[^}]*)\}\s+(?<value>\S+)")]
    private static partial Regex Sample();

    [GeneratedRegex("(?:^|,)\\s*gpu=\"(\\d{1,4})\"")]
    private static partial Regex Index();
}
