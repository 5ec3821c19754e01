namespace OllamaBridge.Gateway.Protocols;

/// <summary>Recognizes requests that only unload a model, by Ollama's rule (<c>server/routes.go</c>).</summary>
internal static class UnloadRequest
{
    public static bool Matches(Operation operation, in RequestFacts facts) =>
        operation is { Protocol: Protocol.Ollama, Kind: OperationKind.Inference, Type: OperationType.Generate or OperationType.Chat }
        && !facts.HasInput && facts.Demands.KeepAlive == TimeSpan.Zero;
}
