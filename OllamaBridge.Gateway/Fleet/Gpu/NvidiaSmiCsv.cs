using System.Globalization;

namespace OllamaBridge.Gateway.Fleet.Gpu;

/// <summary>Reads the output of <c>nvidia-smi</c> with <see cref="Arguments"/>: <c>0, 37, 1234, 81559, [N/A]</c>. Source: <c>--help-query-gpu</c>. Pure.</summary>
internal static class NvidiaSmiCsv
{
    private const int Columns = 5;

    /// <summary>Selects index, utilization (percent), used and total memory (MiB), temperature (°C).</summary>
    public static readonly string[] Arguments =
    [
        "--query-gpu=index,utilization.gpu,memory.used,memory.total,temperature.gpu", "--format=csv,noheader,nounits",
    ];

    public static IReadOnlyList<GpuReading> Read(string text)
    {
        var readings = new List<GpuReading>();
        foreach (var line in text.Split('\n'))
        {
            var cells = line.Split(',', StringSplitOptions.TrimEntries);
            if (cells.Length != Columns || !int.TryParse(cells[0], NumberStyles.None, CultureInfo.InvariantCulture, out _))
                continue;
            readings.Add(new GpuReading(cells[0], Number(cells[1]) / 100, Bytes(cells[2]), Bytes(cells[3]), Number(cells[4])));
            if (readings.Count == GpuReading.Most)
                break;
        }

        return readings;
    }

    private static double? Number(string cell) =>
        double.TryParse(cell, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) ? number : null;

    private static long? Bytes(string cell) => Number(cell) is >= 0 and < 1e9 and var mebibytes ? (long)(mebibytes * GpuReading.Mebibyte) : null;
}
