using Aspire.Hosting;
using Microsoft.Extensions.Logging;

namespace OllamaBridge.Hosting;

/// <summary>Log messages of the integration. Event ids 2000–2099.</summary>
internal static partial class HostingLog
{
    [LoggerMessage(2001, LogLevel.Information, "GPUs: {Vendor} {Devices} ({Reason})")]
    public static partial void Gpus(ILogger logger, BridgeGpuVendor vendor, string devices, string reason);

    [LoggerMessage(2002, LogLevel.Warning, "{Instances} instances share {Gpus} GPUs; each GPU's memory is divided among them")]
    public static partial void GpusShared(ILogger logger, int instances, int gpus);

    [LoggerMessage(2003, LogLevel.Information, "{State}: {Backend} ({Reason})")]
    public static partial void State(ILogger logger, string state, BridgeStateBackend backend, string reason);

    [LoggerMessage(
        2004, LogLevel.Information,
        "{Bridge}: Ollama clients use {Url}, OpenAI clients {Url}/v1; fleet page {Page}, API description {Description}, metrics {Metrics}")]
    public static partial void Addresses(ILogger logger, string bridge, string url, string page, string description, string metrics);

    [LoggerMessage(2005, LogLevel.Information, "Tier {Tier}: the bridge requests {Instances} instances; {Started} are started, {Stopped} stopped")]
    public static partial void TierRequested(ILogger logger, string tier, int instances, int started, int stopped);

    [LoggerMessage(2006, LogLevel.Warning, "{Resource}: {Command} failed: {Reason}")]
    public static partial void TierCommandFailed(ILogger logger, string resource, string command, string reason);

    [LoggerMessage(2007, LogLevel.Information, "Pulling {Model}")]
    public static partial void PullStarted(ILogger logger, string model);

    [LoggerMessage(2008, LogLevel.Error, "Pulling {Model} failed: {Reason}. The command Retry pulls it again")]
    public static partial void PullFailed(ILogger logger, string model, string reason);

    [LoggerMessage(2009, LogLevel.Debug, "The drain states of {Bridge} could not be read: {Reason}")]
    public static partial void DrainStatesUnreadable(ILogger logger, string bridge, string reason);
}
