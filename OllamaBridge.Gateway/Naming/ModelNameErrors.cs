using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Naming;

/// <summary>What a request gets whose model it may not use, or whose model's name cannot be resolved.</summary>
internal static class ModelNameErrors
{
    /// <summary>A change of a model that is not the tenant's.</summary>
    public static (int Status, string Message) NotForModel => (StatusCodes.Status403Forbidden, "this API key is not for that model");

    /// <summary>As a server answers that has its cloud disabled (recording 04-cloud-model-disabled).</summary>
    public static (int Status, string Message) CloudDisabled(Operation operation) => (
        StatusCodes.Status403Forbidden,
        operation.Kind == OperationKind.Lookup
            ? "ollama cloud is disabled: remote model details are unavailable"
            : "ollama cloud is disabled: remote model is unavailable");

    /// <summary>As a server answers to such a name (<c>server/routes.go</c>, 0.32.15).</summary>
    /// <param name="operation">The operation.</param>
    /// <param name="fault">What is wrong with the name.</param>
    /// <param name="written">The name as the client wrote it.</param>
    public static (int Status, string Message) Unresolved(Operation operation, ModelNameFault fault, string written) => (operation.Kind, fault, operation.Name) switch
    {
        (OperationKind.Management, _, _) => NotForModel,
        (_, ModelNameFault.Conflicting, _) => (StatusCodes.Status400BadRequest, $"use either :local or :cloud, not both: \"{written.Trim()}\""),
        (_, ModelNameFault.Invalid, _) => (StatusCodes.Status400BadRequest, "invalid model name"),
        (_, _, "generate" or "text_completion" or "embed") => (StatusCodes.Status404NotFound, ProtocolError.UnknownModel(operation, written)),
        _ => (StatusCodes.Status400BadRequest, "model is required"),
    };
}
