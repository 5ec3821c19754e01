using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Forwarding.Faults;

/// <summary>Log messages about the causes of failures. Event ids 1220–1229.</summary>
internal static partial class FaultLog
{
    [LoggerMessage(EventIds.Fault.Judged, LogLevel.Debug, "Failure {Failure} on {Instance} classified as fault of {Fault}")]
    public static partial void Judged(ILogger logger, InstanceFailure failure, string instance, Fault fault);

    [LoggerMessage(EventIds.Fault.ShortOfMemory, LogLevel.Warning, "{Model} does not fit into the memory of {Instance}; used there only if no other instance can for {Seconds}s")]
    public static partial void ShortOfMemory(ILogger logger, string model, string instance, double seconds);

    [LoggerMessage(EventIds.Fault.KnownToFail, LogLevel.Information, "{Operation} for {Model} fails alike on two instances; repeating it gets one attempt for {Seconds}s")]
    public static partial void KnownToFail(ILogger logger, string operation, string model, double seconds);

    [LoggerMessage(EventIds.Fault.StaleConnection, LogLevel.Information, "{Operation} retried on {Instance} over a new connection; the kept one was stale")]
    public static partial void StaleConnection(ILogger logger, string operation, string instance);

    [LoggerMessage(EventIds.Fault.FewerLayers, LogLevel.Warning, "{Model} retried on {Instance} with num_gpu {Layers}: out of memory everywhere")]
    public static partial void FewerLayers(ILogger logger, string model, string instance, long layers);
}
