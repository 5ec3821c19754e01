namespace OllamaBridge.Simulator.Generation;

/// <summary>A tool call.</summary>
/// <param name="Id">The random part of its id.</param>
/// <param name="Name">The function's name.</param>
/// <param name="Arguments">The arguments as a JSON object.</param>
internal sealed record ToolCall(string Id, string Name, string Arguments);
