using System.Diagnostics.CodeAnalysis;

namespace OllamaBridge.Simulator.Native;

/// <summary>The model registry: which models can be pulled, and the errors for others (recordings 14-*).</summary>
internal static class Registry
{
    private const string Resolver = "127.0.0.53:53";

    public static bool TryFind(SimulatorOptions options, ModelName name, bool insecure, [NotNullWhen(true)] out SimulatedModel? model, out string error)
    {
        model = null;
        error = "";
        var host = false;
        foreach (var remote in options.RemoteModels)
        {
            if (!ModelName.TryParse(remote.Name, out var known))
                continue;
            host |= known.Host == name.Host;
            if (known.Short == name.Short)
                model = remote;
        }
        var url = $"https://{name.Host}/v2/{name.Namespace}/{name.Model}/manifests/{name.Tag}";
        if (!host)
            error = $"pull model manifest: Get \"{url}\": dial tcp: lookup {name.Host.Split(':')[0]} on {Resolver}: no such host";
        else if (!insecure && name.Host != ModelName.DefaultHost)
            error = $"pull model manifest: Get \"{url}\": EOF";
        else if (model is null)
            error = "pull model manifest: file does not exist";
        if (error.Length > 0)
            model = null;
        return model is not null;
    }
}
