namespace OllamaBridge.StateServer;

/// <summary>Why the server cannot start, in one line for whoever started it.</summary>
/// <param name="message">The line.</param>
/// <param name="cause">What lay beneath.</param>
internal sealed class StateServerException(string message, Exception? cause = null) : Exception(message, cause);
