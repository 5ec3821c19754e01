using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Naming;

/// <summary>
/// Whether a body may go to instances with the client's content encoding. Ollama decodes on some routes only and answers a syntax error on the
/// others; servers of other kinds decide for themselves. Pure.
/// </summary>
internal static class EncodedBodies
{
    /// <summary>Checks a request whose model has been found.</summary>
    /// <param name="call">The request.</param>
    /// <param name="encoding">Its content encoding; null for none.</param>
    /// <param name="snapshot">The fleet, as the request's tenant sees it.</param>
    public static bool MayBeSent(BridgeCall call, string? encoding, FleetSnapshot snapshot)
    {
        if (encoding is null || call.Body is not { IsEncoded: true } || call.Operation.Encodings.Contains(encoding, StringComparer.Ordinal))
            return true;
        if (snapshot.Find(call.ModelKey, call.Part) is not { } model)
            return false;
        foreach (var placement in model.Usable)
            if (placement.Instance.Kind == InstanceKind.Ollama)
                return false;
        return true;
    }
}
