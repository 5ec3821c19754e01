namespace OllamaBridge.Gateway.Protocols;

/// <summary>The operation that a request invokes. The protocol stage sets it.</summary>
/// <param name="Rest">The last part of the path of a route that ends in a name; else empty.</param>
internal sealed record OperationFeature(Operation Operation, string Rest);
