using Microsoft.Extensions.Logging;

namespace OllamaBridge.Hosting;

/// <summary>Logs which GPUs the instances use.</summary>
internal static class GpuLog
{
    /// <summary>Logs the choice, and a warning if instances share GPUs.</summary>
    public static void Write(ILogger logger, BridgeModel fleet)
    {
        var gpus = Choices.Gpus(fleet.Gpus, publish: false, fleet.Host);
        HostingLog.Gpus(logger, gpus.Value.Vendor, string.Join(',', gpus.Value.Devices), gpus.Reason);
        if (gpus.Value.Devices.Count > 0 && gpus.Value.Devices.Count < fleet.Instances.Count)
            HostingLog.GpusShared(logger, fleet.Instances.Count, gpus.Value.Devices.Count);
    }
}
