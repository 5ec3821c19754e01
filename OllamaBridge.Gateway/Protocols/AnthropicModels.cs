namespace OllamaBridge.Gateway.Protocols;

/// <summary>The routes that OpenAI's and Anthropic's clients share; Anthropic clients get responses in Anthropic's format.</summary>
internal static class AnthropicModels
{
    /// <summary>Anthropic's clients send it with every request, other clients never do.</summary>
    public const string VersionHeader = "anthropic-version";

    public static Operation List { get; } = new(OperationType.Models, Protocol.Anthropic, OperationKind.Inventory) { Methods = ["GET"], Route = ApiRoutes.None };

    public static Operation Model { get; } = new(OperationType.Model, Protocol.Anthropic, OperationKind.Inventory) { Methods = ["GET"], Route = ApiRoutes.None };

    public static Operation For(Operation operation, IHeaderDictionary headers) =>
        operation is not { Protocol: Protocol.OpenAI, Type: OperationType.Models or OperationType.Model } || !headers.ContainsKey(VersionHeader) ? operation
        : operation.Type == OperationType.Models ? List
        : Model;
}
