namespace OllamaBridge.Simulator.Generation;

/// <summary>A call of a tool.</summary>
/// <param name="Id">Random part of its id.</param>
/// <param name="Name">Name of the function.</param>
/// <param name="Arguments">Its arguments as a JSON object.</param>
internal sealed record ToolCall(string Id, string Name, string Arguments);
