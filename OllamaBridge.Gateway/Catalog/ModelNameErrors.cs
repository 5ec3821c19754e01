using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Catalog;

/// <summary>The errors for models that the tenant may not use, and for names that cannot be resolved.</summary>
internal static class ModelNameErrors
{
    public static (int Status, string Message) NotForModel => (StatusCodes.Status403Forbidden, "this API key may not use that model");

    /// <summary>Imitates a server whose cloud is disabled (recording 04-cloud-model-disabled).</summary>
    public static (int Status, string Message) CloudDisabled(Operation operation) => (
        StatusCodes.Status403Forbidden,
        operation.Kind == OperationKind.Lookup
            ? "ollama cloud is disabled: remote model details are unavailable"
            : "ollama cloud is disabled: remote model is unavailable");

    /// <summary>Imitates a server's error for an unresolvable name (<c>server/routes.go</c>, 0.32.15).</summary>
    public static (int Status, string Message) Unresolved(Operation operation, ModelNameFault fault, string written) => (operation.Kind, fault, operation.Type) switch
    {
        (OperationKind.Management, _, _) => NotForModel,
        (_, ModelNameFault.Conflicting, _) => (StatusCodes.Status400BadRequest, $"use either :local or :cloud, not both: \"{written.Trim()}\""),
        (_, ModelNameFault.Invalid, _) => (StatusCodes.Status400BadRequest, "invalid model name"),
        (_, _, OperationType.Generate or OperationType.TextCompletion or OperationType.Embed) => (StatusCodes.Status404NotFound, ProtocolError.UnknownModel(operation, written)),
        _ => (StatusCodes.Status400BadRequest, "model is required"),
    };
}
