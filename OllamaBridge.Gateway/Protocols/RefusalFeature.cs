namespace OllamaBridge.Gateway.Protocols;

internal sealed record RefusalFeature(string Message);
