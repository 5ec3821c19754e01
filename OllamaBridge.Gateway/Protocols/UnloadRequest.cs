namespace OllamaBridge.Gateway.Protocols;

/// <summary>Recognizes requests that only unload a model.</summary>
internal static class UnloadRequest
{
    /// <summary>Whether a request only unloads its model, by the same rule as Ollama (<c>server/routes.go</c>).</summary>
    public static bool Matches(Operation operation, in RequestFacts facts) =>
        operation is { Protocol: Protocol.Ollama, Kind: OperationKind.Inference, Type: OperationType.Generate or OperationType.Chat }
        && !facts.HasInput && facts.Demands.KeepAlive == TimeSpan.Zero;
}
