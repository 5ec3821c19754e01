using Aspire.Hosting.ApplicationModel;

namespace OllamaBridge.Hosting;

/// <summary>The environment of every Ollama server that the application starts.</summary>
internal static class InstanceEnvironment
{
    /// <summary>Writes a tier's server settings and the GPU.</summary>
    public static void Write(EnvironmentCallbackContext context, InstanceTier tier, KeyValuePair<string, string>? gpu)
    {
        foreach (var (key, value) in tier.Server.ToEnvironment())
            context.EnvironmentVariables[key] = value;
        if (gpu is { } device)
            context.EnvironmentVariables[device.Key] = device.Value;
    }
}
