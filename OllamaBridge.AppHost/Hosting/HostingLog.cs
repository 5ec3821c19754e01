using Microsoft.Extensions.Logging;

namespace OllamaBridge.Hosting;

/// <summary>What the integration says in the application's log. Event ids 2000–2099.</summary>
internal static partial class HostingLog
{
    [LoggerMessage(2000, LogLevel.Information, "{Bridge}: instances are of the kind {Backend} ({Reason})")]
    public static partial void Instances(ILogger logger, string bridge, FleetBackend backend, string reason);

    [LoggerMessage(2001, LogLevel.Information, "GPUs: {Vendor} {Devices} ({Reason})")]
    public static partial void Gpus(ILogger logger, GpuVendor vendor, string devices, string reason);

    [LoggerMessage(2002, LogLevel.Warning, "{Instances} instances share {Gpus} GPUs: each GPU's memory is divided among them")]
    public static partial void GpusShared(ILogger logger, int instances, int gpus);

    [LoggerMessage(2003, LogLevel.Information, "{State}: {Backend} ({Reason})")]
    public static partial void State(ILogger logger, string state, StateBackend backend, string reason);

    [LoggerMessage(2004, LogLevel.Information, "{Bridge}: {Url} speaks Ollama, {Url}/v1 OpenAI; fleet page {Page}, API description {Description}, metrics {Metrics}")]
    public static partial void Addresses(ILogger logger, string bridge, string url, string page, string description, string metrics);

    [LoggerMessage(2005, LogLevel.Information, "Tier {Tier}: the bridge wants {Instances} instances; {Started} are started, {Stopped} stopped")]
    public static partial void TierWished(ILogger logger, string tier, int instances, int started, int stopped);

    [LoggerMessage(2006, LogLevel.Warning, "{Resource}: {Command} failed: {Reason}")]
    public static partial void TierCommandFailed(ILogger logger, string resource, string command, string reason);
}
