using System.Net;
using Garnet.server;
using Garnet.server.Auth.Settings;
using Tsavorite.core;

namespace OllamaBridge.StateServer;

/// <summary>Garnet's options for a small store: its own defaults are for machines that do nothing else.</summary>
internal static class GarnetOptions
{
    /// <summary>Turns what was asked for into Garnet's options.</summary>
    public static GarnetServerOptions For(StateServerOptions options)
    {
        var garnet = new GarnetServerOptions
        {
            EndPoints = [new IPEndPoint(IPAddress.Loopback, options.Port)],
            AuthSettings = options.Password is null ? new NoAuthSettings() : new PasswordAuthenticationSettings(options.Password),
            QuietMode = true,
            EnableLua = true,
            LuaOptions = new LuaOptions(),
            // A script is one step, as in Redis.
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
        // Rather no start than one that has silently forgotten.
        garnet.FailOnRecoveryError = true;
        // As Redis's "appendfsync everysec".
        garnet.CommitFrequencyMs = 1000;
        garnet.AofMemorySize = "16m";
        garnet.AofPageSize = "4m";
        garnet.AofSegmentSize = "64m";
        // Past this a checkpoint takes the file's place, or it would grow for ever.
        garnet.AofSizeLimit = "64m";
        // Managed code: the native device wants libaio, which many machines have not.
        garnet.DeviceFactoryCreator = new LocalStorageNamedDeviceFactoryCreator(deviceType: DeviceType.RandomAccess);
        return garnet;
    }
}
