namespace OllamaBridge.StateServer;

/// <summary>The server cannot start. The message is a single line for the console.</summary>
internal sealed class StateServerException(string message, Exception? cause = null) : Exception(message, cause);
