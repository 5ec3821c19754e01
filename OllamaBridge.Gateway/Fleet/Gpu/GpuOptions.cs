using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Fleet.Gpu;

/// <summary>Sources of GPU metrics: section <c>Bridge:Gpu</c>.</summary>
internal sealed record GpuOptions
{
    public const string Section = "Bridge:Gpu";

    /// <summary>Time between two readings. Values older than three intervals are not exported.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    [RestartRequired]
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Timeout of one reading.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:01:00")]
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The program that reads the GPUs of instances on this machine: a name on the path, or a path; empty for none.</summary>
    public string NvidiaSmi { get; init; } = "nvidia-smi";

    /// <summary>By instance name: the address of the DCGM exporter on its machine (<c>http://gpu-1:9400/metrics</c>).</summary>
    public Dictionary<string, Uri> Exporters { get; init; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>By instance name: the indexes of the machine's GPUs that the instance uses, such as <c>0,1</c>. By default all of them.</summary>
    public Dictionary<string, string> Devices { get; init; } = new(StringComparer.OrdinalIgnoreCase);
}

[OptionsValidator]
internal sealed partial class GpuOptionsValidator : IValidateOptions<GpuOptions>;

/// <summary>Validates the exporters' addresses.</summary>
internal sealed class GpuExportersValidator : IValidateOptions<GpuOptions>
{
    public ValidateOptionsResult Validate(string? name, GpuOptions options)
    {
        var mistakes = new List<string>();
        foreach (var (instance, address) in options.Exporters)
            if (address is { IsAbsoluteUri: true, UserInfo.Length: > 0 })
                mistakes.Add($"{GpuOptions.Section}:Exporters:{instance}: {InstanceAddress.Mistake("@", "http://host:9400/metrics")}");
            else if (address is null || !address.IsAbsoluteUri || (address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps))
                mistakes.Add($"{GpuOptions.Section}:Exporters:{instance}: {InstanceAddress.Mistake(address?.OriginalString, "http://host:9400/metrics")}");
        return mistakes.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(mistakes);
    }
}
