namespace OllamaBridge.Gateway.Protocols;

/// <summary>The error text of the bridge's rejection, as the client got it.</summary>
internal sealed record RefusalFeature(string Message);
