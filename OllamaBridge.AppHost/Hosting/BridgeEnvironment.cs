using System.Globalization;

namespace OllamaBridge.Hosting;

/// <summary>Tells the gateway its instances, in the gateway's own configuration keys (section <c>Bridge</c>).</summary>
internal static class BridgeEnvironment
{
    /// <summary>Writes the variables.</summary>
    public static void Write(OllamaBridgeResource bridge, IDictionary<string, object> environment)
    {
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
