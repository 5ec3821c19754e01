using System.Globalization;

namespace OllamaBridge.Hosting;

/// <summary>Tells the gateway its instances, in the gateway's own configuration keys (section <c>Bridge</c>).</summary>
internal static class BridgeEnvironment
{
    /// <summary>Writes the variables.</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="environment">Receives them.</param>
    /// <param name="publish">Whether it will run on a platform, where it listens beyond loopback.</param>
    public static void Write(OllamaBridgeResource bridge, IDictionary<string, object> environment, bool publish)
    {
        // Said openly, because the gateway does not start so otherwise: who reaches it is the platform's to limit until there are keys.
        if (publish)
            environment["Bridge__Access__AllowAnonymous"] = "true";
        for (var i = 0; i < bridge.Instances.Count; i++)
        {
            var instance = bridge.Instances[i];
            var key = string.Create(CultureInfo.InvariantCulture, $"Bridge__Instances__{i}__");
            environment[$"{key}Url"] = instance.Url;
            environment[$"{key}Name"] = instance.Name;
            environment[$"{key}Slots"] = Text(instance.Tier.Server.Parallel ?? 1);
            if (instance.Tier.Server.MaxLoadedModels is > 0 and { } models)
                environment[$"{key}MaxLoadedModels"] = Text(models);
            // Behind the name of a replicated group stand several servers: each of its addresses is one.
            if (instance.Replicated)
                environment[$"{key}Discovery"] = "Dns";
        }
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
