using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Catalog;

/// <summary>Ollama decodes bodies on some routes only; servers of other kinds accept or refuse the encoding themselves. Pure.</summary>
internal static class EncodedBodies
{
    /// <summary>Checks a request whose model is known. <paramref name="snapshot"/> is the tenant's view of the fleet.</summary>
    public static bool MayBeSent(Operation operation, ReplayableBody? body, ModelSelection model, string? encoding, FleetSnapshot snapshot)
    {
        if (encoding is null || body is not { IsEncoded: true } || operation.Encodings.Contains(encoding, StringComparer.Ordinal))
            return true;
        if (snapshot.Find(model.Key, model.Part) is not { } view)
            return false;
        foreach (var placement in view.Usable)
            if (placement.Instance.Kind == InstanceKind.Ollama)
                return false;
        return true;
    }
}
