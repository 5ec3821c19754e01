using System.Net;
using Garnet.server;
using Garnet.server.Auth.Settings;
using Tsavorite.core;

namespace OllamaBridge.StateServer;

/// <summary>Garnet's options for a small store. Garnet's defaults assume a dedicated machine.</summary>
internal static class GarnetOptions
{
    public static GarnetServerOptions For(StateServerOptions options)
    {
        var garnet = new GarnetServerOptions
        {
            EndPoints = [new IPEndPoint(IPAddress.Loopback, options.Port)],
            AuthSettings = options.Password is null ? new NoAuthSettings() : new PasswordAuthenticationSettings(options.Password),
            QuietMode = true,
            EnableLua = true,
            LuaOptions = new LuaOptions(),
            // Scripts are atomic, as in Redis.
            LuaTransactionMode = true,
            LogMemorySize = "64m",
            PageSize = "1m",
            IndexMemorySize = "4m",
            MaxDatabases = 1,
            // Seconds between two samples of the statistics that are exported as metrics.
            MetricsSamplingFrequency = 5,
        };
        if (options.Data is null)
            return garnet;

        garnet.EnableAOF = true;
        garnet.CheckpointDir = options.Data;
        garnet.Recover = true;
        // Fail the start rather than lose data silently.
        garnet.FailOnRecoveryError = true;
        // Equivalent to Redis's "appendfsync everysec".
        garnet.CommitFrequencyMs = 1000;
        garnet.AofMemorySize = "16m";
        garnet.AofPageSize = "4m";
        garnet.AofSegmentSize = "64m";
        // At this size a checkpoint replaces the file. Otherwise it grows without limit.
        garnet.AofSizeLimit = "64m";
        // Managed code: the native device needs libaio, which many machines lack.
        garnet.DeviceFactoryCreator = new LocalStorageNamedDeviceFactoryCreator(deviceType: DeviceType.RandomAccess);
        return garnet;
    }
}
