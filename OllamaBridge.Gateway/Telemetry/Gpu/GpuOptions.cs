using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Telemetry.Gpu;

/// <summary>Where figures of GPUs come from: section <c>Bridge:Gpu</c>.</summary>
internal sealed record GpuOptions
{
    public const string Section = "Bridge:Gpu";

    /// <summary>Between two looks. What is older than three of them is not shown any more.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    [RestartRequired]
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a look may take.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:01:00")]
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The program that is asked for instances on this machine: a name on the path, or a path; empty for none.</summary>
    public string NvidiaSmi { get; init; } = "nvidia-smi";

    /// <summary>For an instance, by name, the address of the DCGM exporter on its machine (<c>http://gpu-1:9400/metrics</c>).</summary>
    public Dictionary<string, Uri> Exporters { get; init; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>For an instance, by name, the GPUs of its machine that are its own, by index: <c>0,1</c>. Left out: all of them.</summary>
    public Dictionary<string, string> Devices { get; init; } = new(StringComparer.OrdinalIgnoreCase);
}

[OptionsValidator]
internal sealed partial class GpuOptionsValidator : IValidateOptions<GpuOptions>;

/// <summary>That every exporter has an address that can be asked.</summary>
internal sealed class GpuExportersValidator : IValidateOptions<GpuOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, GpuOptions options)
    {
        var mistakes = new List<string>();
        foreach (var (instance, address) in options.Exporters)
            if (address is { IsAbsoluteUri: true, UserInfo.Length: > 0 })
                mistakes.Add($"{GpuOptions.Section}:Exporters:{instance}: {Fleet.InstanceAddress.Mistake("@", "http://host:9400/metrics")}");
            else if (address is null || !address.IsAbsoluteUri || (address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps))
                mistakes.Add($"{GpuOptions.Section}:Exporters:{instance}: {Fleet.InstanceAddress.Mistake(address?.OriginalString, "http://host:9400/metrics")}");
        return mistakes.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(mistakes);
    }
}
